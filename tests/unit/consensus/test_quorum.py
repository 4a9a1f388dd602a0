"""Quorums, checked by brute force: any two meet in an honest replica, and one is always alive."""

from itertools import combinations

import pytest

from engine.quorum import quorum_of, weak_quorum_of

POSSIBLE = [(n, f) for n in range(1, 32) for f in range((n - 1) // 3 + 1)]


@pytest.mark.parametrize(("n", "f"), POSSIBLE)
def test_a_quorum_is_the_smallest_that_is_safe_and_is_live(n: int, f: int) -> None:
    quorum = quorum_of(n, f)

    assert _smallest_overlap(n, quorum) >= f + 1
    assert _smallest_overlap(n, quorum - 1) < f + 1
    assert quorum <= n - f
    assert quorum >= weak_quorum_of(f)


@pytest.mark.parametrize("n", range(1, 10))
def test_the_overlap_of_two_quorums_is_what_enumeration_says(n: int) -> None:
    for size in range(1, n + 1):
        sets = [set(members) for members in combinations(range(n), size)]
        assert min(len(a & b) for a in sets for b in sets) == _smallest_overlap(n, size)


def test_five_replicas_need_four_because_three_can_meet_in_the_traitor_alone() -> None:
    assert quorum_of(5, 1) == 4
    assert _smallest_overlap(5, 3) == 1


@pytest.mark.parametrize(("n", "f"), [(n, (n - 1) // 3 + 1) for n in range(1, 32)])
def test_more_traitors_than_a_third_have_no_quorum(n: int, f: int) -> None:
    with pytest.raises(ValueError, match=r"quorums|live"):
        quorum_of(n, f)


@pytest.mark.parametrize(("n", "f"), [(0, 0), (4, -1)])
def test_no_cluster_has_no_quorum(n: int, f: int) -> None:
    with pytest.raises(ValueError, match="no cluster"):
        quorum_of(n, f)


def _smallest_overlap(n: int, size: int) -> int:
    return max(0, 2 * size - n)
