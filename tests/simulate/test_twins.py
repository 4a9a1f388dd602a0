"""One replica twice under one key, through every sequence of partitions: nothing breaks."""

import pytest

import main
from engine.consensus.simulate.twins import N, Twins, partitions


def test_five_instances_are_divided_in_every_way_into_one_or_two_groups() -> None:
    found = list(partitions())

    assert len(found) == len(set(found)) == 2**4
    assert all(len(it) == N + 1 and set(it) <= {0, 1} for it in found)


@pytest.mark.parametrize("twin", [0, 2])
def test_no_two_rounds_of_partitions_divide_the_honest(twin: int) -> None:
    """Twin 0 leads the first view against itself; twin 2 leads none that is reached."""
    tried = Twins(twin).run(rounds=2)

    assert not tried.violation
    assert tried.played >= 16 + 16 * 2
    assert 0 < tried.deciding < tried.states


def test_a_quorum_of_two_of_four_is_divided_in_the_first_round() -> None:
    tried = Twins(twin=0, quorum=2).run(rounds=2)

    assert "different ledgers" in tried.violation
    assert len(tried.path) == 1


def test_the_command_tells_what_it_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["simulate", "--twins", "--rounds", "1"]) == 0

    printed = capsys.readouterr().out
    assert "4 replicas, one of them twice, 2 submissions, rounds: 1" in printed
    assert len(printed.splitlines()) == 2 + N
