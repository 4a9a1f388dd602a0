"""Every state that four replicas can reach within bounds: nothing breaks, and what is broken is found."""

import pytest

import main
from engine.consensus.effects import Receive, Tick
from engine.consensus.messages import Packet, Vote, encode_packet
from engine.consensus.simulate.exhaust import TRAITORS, Explorer
from engine.consensus.simulate.snapshot import canonical, copied
from tests.unit.consensus.backup import Backup

MOST = 10_000


@pytest.mark.parametrize("traitor", TRAITORS[:2])
def test_no_order_of_messages_in_a_view_breaks_anything(traitor: int) -> None:
    found = Explorer(traitor, views=1).run(MOST)

    assert (found.violation, found.left) == ("", 0)
    # A traitor that leads may have either decided, a backup cannot change what is.
    assert found.outcomes.keys() == {"undecided", "a", "b"} - ({"b"} if traitor else set())


def test_the_states_nearest_to_the_beginning_of_two_views_break_nothing() -> None:
    found = Explorer(traitor=2).run(most=300)

    assert not found.violation
    assert found.left > 0


def test_a_quorum_of_two_of_four_is_caught_with_the_shortest_way_there() -> None:
    found = Explorer(traitor=0, quorum=2, views=1).run(MOST)

    assert found.violation == "agreement: a and b are decided at one place"
    assert found.path == (
        "1 hears pre-prepare v0 [a] from 0",
        "1 hears commit v0 [a] from 0",
        "2 hears pre-prepare v0 [b] from 0",
        "2 hears commit v0 [b] from 0",
    )


# --- replicas as values --------------------------------------------------------------------------


def _hear(backup: Backup, *packets: tuple[int, Packet]) -> bytes:
    for by, packet in packets:
        backup.hear(by, packet)
    return canonical(backup.replica)


def test_a_copy_goes_its_own_way() -> None:
    backup = Backup()
    backup.hear(0, backup.proposal(1, backup.submission(1)))
    before, copy = canonical(backup.replica), copied(backup.replica)
    digest = backup.speaker.digest((backup.submission(1),))

    for by in (2, 3):
        backup.hear(by, Vote(backup.speaker.prepare(by, 0, 1, digest)))

    assert canonical(copy) == before != canonical(backup.replica)
    for by in (2, 3):
        packet = Vote(backup.speaker.prepare(by, 0, 1, digest))
        copy.step(Receive(backup.speaker.members.ids[by], encode_packet(packet)))
    assert canonical(copy) == canonical(backup.replica)
    assert copy.phase == "prepared"


def test_the_order_in_which_votes_came_and_time_make_no_other_state() -> None:
    votes = [(by, Vote(Backup().speaker.prepare(by, 0, 1, bytes(32)))) for by in (2, 3)]
    first, second = Backup(), Backup()
    second.replica.step(Tick(40))

    assert _hear(first, *votes) == _hear(second, *votes[::-1])
    assert _hear(Backup(), votes[0]) != _hear(Backup(), votes[1])


# --- the command ---------------------------------------------------------------------------------


def test_the_command_says_what_it_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["simulate", "--model-check", "--states", "3"]) == 0

    printed = capsys.readouterr().out
    assert "1 traitor, 1 place of the log, 2 submissions, views: 2" in printed
    assert printed.count("NOT exhaustive") == len(TRAITORS)


@pytest.mark.parametrize(
    "words",
    [
        ("--model-check", "--seeds", "0..2"),
        ("--model-check", "--states", "0"),
        ("--states", "10"),
        ("--views", "1"),
        ("--rounds", "1"),
        ("--twins", "--seeds", "0..2"),
        ("--twins", "--rounds", "0"),
        ("--twins", "--views", "1"),
        ("--model-check", "--rounds", "1"),
        ("--model-check", "--twins"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: tuple[str, ...]) -> None:
    assert main.main(["simulate", *words]) == 2
