"""What a replica remembers of its vote log, and what it does then: it never says another thing."""

from collections.abc import Sequence

import pytest

from engine.consensus.effects import (
    Accepted,
    AnyRecord,
    Broadcast,
    Certified,
    Compact,
    Effect,
    Entered,
    Execute,
    Persist,
    Settled,
    Tick,
    Voted,
)
from engine.consensus.messages import (
    AnyMessage,
    Batches,
    Checkpoint,
    Commit,
    Entries,
    Prepare,
    Proposal,
    Stable,
    ViewChange,
    Vote,
    decode_packet,
)
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from tests.unit.consensus.backup import Backup

SETTINGS = Settings(checkpoint_period=2)


def written(effects: Sequence[Effect]) -> list[AnyRecord]:
    """What the vote log holds after these effects on an empty one."""
    records: list[AnyRecord] = []
    for effect in effects:
        if isinstance(effect, Persist):
            records += effect.records
        elif isinstance(effect, Compact):
            records = list(effect.records)
    return records


def said(backup: Backup, effects: Sequence[Effect]) -> list[AnyMessage]:
    """The votes and proposals that went to everyone."""
    packets = [decode_packet(it.frame) for it in effects if isinstance(it, Broadcast)]
    frames = [it.frame for it in packets if isinstance(it, (Vote, Proposal))]
    return [backup.speaker.committee.read(frame) for frame in frames]


def restarted(records: Sequence[AnyRecord], head: tuple[int, bytes] | None = None) -> Backup:
    return Backup(SETTINGS, Resume(head, None, records))


def settled(backup: Backup) -> tuple[list[Effect], bytes]:
    """Have it fetch two entries and hear that they are stable; the chain digest there."""
    entries = [backup.speaker.entry(number, backup.submission(number)) for number in (1, 2)]
    effects = list(backup.hear(3, Entries(tuple(entries))))
    chain = next(it.chain for it in effects[::-1] if isinstance(it, Execute))
    return [*effects, *backup.hear(3, Stable(backup.speaker.stable(2, chain)))], chain


def test_a_replica_that_asked_for_a_view_still_asks_for_it_after_a_restart() -> None:
    backup = Backup(SETTINGS)
    effects: list[Effect] = []
    for by in (3, 4):
        view_change = Vote(backup.speaker.sign(backup.speaker.view_change(by, 7)))
        effects += backup.hear(by, view_change)
    (asked,) = (it for it in said(backup, effects) if isinstance(it, ViewChange))

    again = restarted(written(effects))

    assert (again.replica.view, again.replica.entered) == (7, False)
    assert asked in said(again, again.wait(1000))


def test_what_a_checkpoint_forgets_is_not_the_view_change_under_way() -> None:
    backup = Backup(SETTINGS)
    for by in (3, 4):
        backup.hear(by, Vote(backup.speaker.sign(backup.speaker.view_change(by, 7))))

    effects, chain = settled(backup)
    again = restarted(written(effects), (2, chain))

    assert isinstance(written(effects)[0], Settled)
    assert (again.replica.view, again.replica.entered) == (7, False)


def test_a_view_is_entered_again_without_what_was_settled_meanwhile() -> None:
    backup = Backup(SETTINGS)
    it = backup.speaker
    digests = [it.digest((backup.submission(number),)) for number in (1, 2, 3)]
    votes = [
        it.view_change(by, 2, *(it.prepared(0, n + 1, digest) for n, digest in enumerate(digests)))
        for by in (0, 2, 3, 4)
    ]
    headers = [it.pre_prepare(2, n + 1, digest) for n, digest in enumerate(digests)]
    effects = list(backup.hear(2, Vote(it.sign(it.new_view(2, votes, *headers)))))
    more, chain = settled(backup)

    again = restarted(written([*effects, *more]), (2, chain))
    # The batch at 3 is known to nobody here yet: the header alone came with the view.
    told = again.hear(3, Batches(((backup.submission(3),),)))

    assert (again.replica.view, again.replica.entered) == (2, True)
    prepares = [vote for vote in said(again, told) if isinstance(vote, Prepare)]
    assert [(vote.sequence_number, vote.digest) for vote in prepares] == [(3, digests[2])]
    assert set(again.replica.holdings.items()) >= {("slots", 1)}


def test_a_batch_taken_in_an_older_view_is_there_but_not_voted_on_again() -> None:
    backup = Backup(SETTINGS)
    one, two = (backup.proposal(1, backup.submission(counter)) for counter in (1, 2))
    effects = list(backup.hear(0, one))
    effects += backup.hear(2, backup.new_view(2))

    again = restarted(written(effects))
    repeated = again.hear(2, Proposal(again.speaker.pre_prepare(2, 1, _digest(two)), two.batch))

    assert [vote.digest for vote in said(again, repeated) if isinstance(vote, Prepare)] == [
        _digest(two)
    ]
    assert again.replica.holdings["batches"] == 3


def _digest(proposal: Proposal) -> bytes:
    return Backup().speaker.digest(proposal.batch)


def _prepared(backup: Backup) -> list[Effect]:
    """Have it take a batch and see it prepared."""
    proposal = backup.proposal(1, backup.submission(1))
    effects = list(backup.hear(0, proposal))
    for by in (2, 3):
        effects += backup.hear(by, Vote(backup.speaker.prepare(by, 0, 1, _digest(proposal))))
    return effects


@pytest.mark.parametrize(
    ("kept", "kind"), [([Accepted], Prepare), ([Accepted, Voted, Certified], Commit)]
)
def test_a_vote_that_a_crash_came_before_is_given_after_it(
    kept: list[type[AnyRecord]], kind: type[Prepare] | type[Commit]
) -> None:
    records = written(_prepared(Backup(SETTINGS)))
    assert [type(record) for record in records] == [Accepted, Voted, Certified, Voted]

    again = restarted(records[: len(kept)])

    digest = _digest(again.proposal(1, again.submission(1)))
    votes = [it for it in said(again, again.first) if isinstance(it, (Prepare, Commit))]
    assert [(type(vote), vote.digest) for vote in votes] == [(kind, digest)]
    assert [type(record) for record in records[: len(kept)]] == kept

    third = restarted([*records[: len(kept)], *written(again.first)])
    assert not [it for it in said(third, third.first) if isinstance(it, (Prepare, Commit))]


def test_a_replica_that_has_halted_or_left_its_view_gives_no_vote_after_a_crash() -> None:
    records = written(_prepared(Backup(SETTINGS)))[:1]
    liars = tuple(Backup().speaker.members.ids[place] for place in (2, 3))
    leaving = Backup(SETTINGS)
    for by in (3, 4):
        leaving.hear(by, Vote(leaving.speaker.sign(leaving.speaker.view_change(by, 7))))
    asked = Voted(leaving.replica._state.view_change_frame)

    halted = Backup(SETTINGS, Resume(None, None, records, liars))
    left = restarted([*records, asked])

    for backup in (halted, left):
        assert not [it for it in said(backup, backup.first) if isinstance(it, Prepare)]


def test_a_header_without_its_batch_is_not_voted_on_after_a_crash() -> None:
    backup = Backup(SETTINGS)
    digest = backup.speaker.digest((backup.submission(1),))
    votes = [
        backup.speaker.view_change(by, 2, backup.speaker.prepared(0, 1, digest))
        for by in (0, 2, 3, 4)
    ]
    header = backup.speaker.pre_prepare(2, 1, digest)
    effects = backup.hear(2, Vote(backup.speaker.sign(backup.speaker.new_view(2, votes, header))))

    again = restarted(written(effects))

    assert again.replica.phase == "pre-prepared"
    assert not [it for it in said(again, again.first) if isinstance(it, Prepare)]


def test_a_checkpoint_vote_beyond_a_ledger_that_lost_its_end_is_not_counted_until_then() -> None:
    backup = Backup(SETTINGS)
    effects, chain = settled(backup)
    votes = [it for it in written(effects[:-2]) if isinstance(it, Voted)]
    assert votes

    behind = restarted(votes)
    effects, again = settled(behind)

    assert again == chain
    voted = [vote for vote in said(behind, effects) if isinstance(vote, Checkpoint)]
    assert [vote.chain for vote in voted] == [chain]


def test_nothing_at_or_below_the_stable_checkpoint_is_taken_up_again() -> None:
    backup = Backup(SETTINGS)
    records = written(_prepared(backup))
    _, chain = settled(backup)
    stable = Settled(backup.speaker.stable(2, chain))

    again = restarted([*records, stable], (2, chain))

    assert again.replica.holdings["slots"] == 0
    assert not said(again, again.replica.step(Tick(0)))[1:]


def test_the_newest_view_counts_and_its_beginning_is_kept() -> None:
    backup = Backup(SETTINGS)
    effects = [*backup.hear(2, backup.new_view(2)), *backup.hear(3, backup.new_view(3))]

    again = restarted(written(effects))

    assert sum(isinstance(it, Entered) for it in written(effects)) == 2
    assert (again.replica.view, again.replica.entered) == (3, True)
