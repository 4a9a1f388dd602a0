"""What a new view begins with follows from its view-changes, and from nothing else."""

from collections.abc import Sequence

import msgspec
import pytest

from engine.consensus.committee import Refused
from engine.consensus.messages import Message, Prepared, StableCheckpoint, ViewChange
from engine.consensus.view_change import check_view_change, plan_of, select
from tests.unit.consensus.speaking import Speaker

WINDOW = 128
A, B, C = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def test_what_one_replica_proves_to_be_prepared_survives(speaker: Speaker) -> None:
    votes = [speaker.view_change(by, 1) for by in (1, 2, 3)]
    votes.append(speaker.view_change(4, 1, speaker.prepared(0, 1, A)))

    assert select(votes, speaker.committee).slots == ((1, A),)


def test_the_proof_of_the_highest_view_wins(speaker: Speaker) -> None:
    votes = [
        speaker.view_change(1, 3, speaker.prepared(0, 1, A)),
        speaker.view_change(2, 3, speaker.prepared(2, 1, C)),
        speaker.view_change(3, 3, speaker.prepared(1, 1, B)),
        speaker.view_change(4, 3),
    ]

    assert select(votes, speaker.committee).slots == ((1, C),)
    assert select(votes[::-1], speaker.committee).slots == ((1, C),)


def test_gaps_become_null_batches(speaker: Speaker) -> None:
    votes = [speaker.view_change(by, 1) for by in (1, 2, 3)]
    votes.append(speaker.view_change(4, 1, speaker.prepared(0, 3, A)))

    null = speaker.digest(())
    assert select(votes, speaker.committee).slots == ((1, null), (2, null), (3, A))


def test_the_highest_stable_checkpoint_wins_and_nothing_below_it_comes_again(
    speaker: Speaker,
) -> None:
    votes = [
        speaker.view_change(1, 1, speaker.prepared(0, 60, A), speaker.prepared(0, 65, B)),
        speaker.view_change(2, 1, stable=speaker.stable(64, C)),
        speaker.view_change(3, 1),
        speaker.view_change(4, 1),
    ]

    plan = select(votes, speaker.committee)
    assert plan.stable.sequence_number == 64
    assert plan.slots == ((65, B),)


def test_an_honest_new_view_is_recomputed_to_the_same_plan(speaker: Speaker) -> None:
    votes = [speaker.view_change(by, 1, speaker.prepared(0, 1, A)) for by in (1, 2, 3, 4)]
    message = speaker.new_view(1, votes, speaker.pre_prepare(1, 1, A))

    assert plan_of(message, speaker.committee, WINDOW).slots == ((1, A),)


def _bad_new_views(it: Speaker) -> dict[str, tuple[Sequence[Message], list[bytes]]]:
    proved = [it.view_change(by, 1, it.prepared(0, 1, A)) for by in (1, 2, 3, 4)]
    header = it.pre_prepare(1, 1, A)
    return {
        "drops what was prepared": (proved, []),
        "begins with something else": (proved, [it.pre_prepare(1, 1, B)]),
        "adds something": (proved, [header, it.pre_prepare(1, 2, B)]),
        "counts too few votes": (proved[:3], [header]),
        "counts one vote twice": ([*proved[:3], proved[2]], [header]),
        "counts a vote that it does not need": (
            [it.view_change(0, 1, it.prepared(0, 1, A)), *proved],
            [header],
        ),
        "counts votes for another view": (
            [*proved[:3], it.view_change(4, 2, it.prepared(0, 1, A))],
            [header],
        ),
        "is signed for by another": (proved, [it.pre_prepare(1, 1, A, by=2)]),
        "counts something else than a vote": ([*proved[:3], it.new_view(1, [])], [header]),
    }


def test_a_new_view_of_another_than_its_primary_is_refused(speaker: Speaker) -> None:
    votes = [speaker.view_change(by, 1) for by in (1, 2, 3, 4)]
    message = msgspec.structs.replace(speaker.new_view(1, votes), replica=2)

    with pytest.raises(Refused, match="wrong primary"):
        plan_of(message, speaker.committee, WINDOW)


@pytest.mark.parametrize("lie", _bad_new_views(Speaker()))
def test_a_new_view_that_lies_is_refused(speaker: Speaker, lie: str) -> None:
    votes, headers = _bad_new_views(speaker)[lie]

    with pytest.raises(Refused):
        plan_of(speaker.new_view(1, votes, *headers), speaker.committee, WINDOW)


def _bad_view_changes(it: Speaker) -> dict[str, ViewChange]:
    header = it.pre_prepare(0, 1, A)
    votes = tuple(it.prepare(by, 0, 1, A) for by in (1, 2, 3))
    another = it.prepare(3, 0, 1, B)
    checkpoints = it.stable(64, C)
    told_apart = StableCheckpoint(64, B, checkpoints.proof)
    too_many = tuple(it.prepared(0, number, A) for number in range(1, WINDOW + 2))
    return {
        "too few prepares": it.view_change(1, 1, it.prepared(0, 1, A, backups=2)),
        "one prepare twice": it.view_change(1, 1, Prepared(header, (*votes[:2], votes[1]))),
        "a prepare for another batch": it.view_change(
            1, 1, Prepared(header, (*votes[:2], another))
        ),
        "the primary's own prepare": it.view_change(
            1, 1, Prepared(header, (*votes[:2], it.prepare(0, 0, 1, A)))
        ),
        "a header of another": it.view_change(
            1, 1, Prepared(it.pre_prepare(0, 1, A, by=2), votes)
        ),
        "a vote where a header is due": it.view_change(1, 1, Prepared(votes[0], votes)),
        "a prepare that it does not need": it.view_change(
            1, 1, it.prepared(0, 1, A, backups=4)
        ),
        "a checkpoint that it does not need": it.view_change(1, 1, stable=it.stable(64, C, voters=5)),
        "a forged signature": it.view_change(
            1, 1, Prepared(header, (*votes[:2], votes[2][:-1] + b"?"))
        ),
        "a view not left yet": it.view_change(1, 1, it.prepared(1, 1, A)),
        "numbers out of order": it.view_change(
            1, 1, it.prepared(0, 2, A), it.prepared(0, 1, A)
        ),
        "a number twice": it.view_change(1, 1, it.prepared(0, 1, A), it.prepared(0, 1, A)),
        "a number above the window": it.view_change(1, 1, it.prepared(0, WINDOW + 1, A)),
        "a checkpoint without a quorum": it.view_change(1, 1, stable=it.stable(64, C, voters=3)),
        "a checkpoint of other votes": it.view_change(
            1, 1, stable=StableCheckpoint(64, C, (*checkpoints.proof[:3], votes[0]))
        ),
        "votes for another checkpoint": it.view_change(1, 1, stable=told_apart),
        "more proofs than a window has numbers": it.view_change(1, 1, *too_many),
        "another genesis": it.view_change(1, 1, stable=it.stable(0, A, voters=0)),
    }  # fmt: skip


@pytest.mark.parametrize("lie", _bad_view_changes(Speaker()))
def test_a_view_change_that_proves_less_than_it_claims_is_refused(
    speaker: Speaker, lie: str
) -> None:
    with pytest.raises(Refused):
        check_view_change(_bad_view_changes(speaker)[lie], speaker.committee, WINDOW)
