"""What a replica makes of words that come late, twice, or against what it knows."""

import pytest

from engine.consensus.checkpoint import Diverged
from engine.consensus.effects import Broadcast, Execute, ReportEvidence, Send, Serve
from engine.consensus.messages import Entries, Fetch, Proposal, Stable, Status, Vote, decode_packet
from engine.consensus.settings import Settings
from tests.unit.consensus.backup import Backup

A, B = bytes([1] * 32), bytes([2] * 32)


@pytest.fixture
def backup() -> Backup:
    return Backup(Settings(checkpoint_period=2))


def _executed(backup: Backup, count: int) -> bytes:
    """Have it fetch so many entries; the chain digest after them."""
    entries = [
        backup.speaker.entry(number, backup.submission(number)) for number in range(1, count + 1)
    ]
    effects = backup.hear(3, Entries(tuple(entries)))
    return [effect.chain for effect in effects if isinstance(effect, Execute)][-1]


def test_two_places_at_one_head_convict_whoever_claims_both(backup: Backup) -> None:
    it = backup.speaker
    statuses = [Vote(it.sign(Status(*it.head, 3, 0, True, 7, chain, 0))) for chain in (A, B)]
    backup.hear(3, statuses[0])

    effects = backup.hear(3, statuses[1])

    reported = [effect.evidence for effect in effects if isinstance(effect, ReportEvidence)]
    assert [(it.culprit, it.kind) for it in reported] == [("agent-3", "double-status")]


def test_a_header_shown_for_a_place_that_nothing_was_proposed_for_changes_nothing(
    backup: Backup,
) -> None:
    shown = Vote(backup.speaker.pre_prepare(0, 1, A))

    assert backup.refusal(3, shown) == ""
    assert backup.replica.holdings["slots"] <= 1
    # Nothing was taken from it: the primary's own proposal is voted on.
    effects = backup.hear(0, backup.proposal(1, backup.submission(1)))
    assert any(isinstance(effect, Broadcast) for effect in effects)


def test_a_vote_that_everyone_was_shown_before_the_batch_was_known_is_not_shown_again(
    backup: Backup,
) -> None:
    good = backup.proposal(1, backup.submission(1))
    unfitting = Proposal(good.frame, (backup.submission(2),))
    assert "does not fit" in backup.refusal(0, unfitting)
    lie = Vote(backup.speaker.prepare(3, 0, 1, A))

    first, second = backup.hear(3, lie), backup.hear(0, good)

    shown = [
        [decode_packet(effect.frame) for effect in effects if isinstance(effect, Broadcast)]
        for effects in (first, second)
    ]
    assert lie in shown[0]
    assert lie not in shown[1]


def test_who_asks_for_a_view_that_is_over_is_not_counted(backup: Backup) -> None:
    backup.hear(2, backup.new_view(2))

    late = Vote(backup.speaker.sign(backup.speaker.view_change(3, 1)))

    assert backup.refusal(3, late) == ""
    assert (backup.replica.view, backup.replica.entered) == (2, True)


def test_two_view_changes_to_one_view_convict_their_signer(backup: Backup) -> None:
    it = backup.speaker
    backup.hear(3, Vote(it.sign(it.view_change(3, 2))))

    effects = backup.hear(3, Vote(it.sign(it.view_change(3, 2, it.prepared(0, 1, A)))))

    reported = [effect.evidence for effect in effects if isinstance(effect, ReportEvidence)]
    assert [(it.culprit, it.kind) for it in reported] == [("agent-3", "double-view-change")]


def test_a_second_header_shown_by_a_peer_convicts_the_primary(backup: Backup) -> None:
    backup.hear(0, backup.proposal(1, backup.submission(1)))

    effects = backup.hear(3, Vote(backup.speaker.pre_prepare(0, 1, A)))

    reported = [effect.evidence for effect in effects if isinstance(effect, ReportEvidence)]
    assert [(it.culprit, it.kind) for it in reported] == [("agent-0", "double-pre-prepare")]


def test_who_votes_twice_for_another_batch_is_shown_the_header_once(backup: Backup) -> None:
    backup.hear(0, backup.proposal(1, backup.submission(1)))
    it = backup.speaker

    effects = [
        effect
        for vote in (it.prepare(3, 0, 1, A), it.commit(3, 0, 1, A))
        for effect in backup.hear(3, Vote(vote))
    ]

    assert [effect.peer for effect in effects if isinstance(effect, Send)] == ["agent-3"]


def test_a_view_may_begin_below_what_is_settled_here(backup: Backup) -> None:
    chain = _executed(backup, 2)
    backup.hear(3, Stable(backup.speaker.stable(2, chain)))
    it = backup.speaker
    digest = it.digest((backup.submission(1),))
    votes = [it.view_change(by, 2, it.prepared(0, 1, digest)) for by in (0, 2, 3, 4)]

    backup.hear(2, Vote(it.sign(it.new_view(2, votes, it.pre_prepare(2, 1, digest)))))

    assert (backup.replica.view, backup.replica.entered) == (2, True)
    assert backup.replica.holdings["slots"] == 0


def test_a_view_that_begins_with_another_batch_than_was_committed_stops_the_replica(
    backup: Backup,
) -> None:
    _executed(backup, 1)
    it = backup.speaker
    votes = [it.view_change(by, 2, it.prepared(0, 1, A)) for by in (0, 2, 3, 4)]
    beginning = Vote(it.sign(it.new_view(2, votes, it.pre_prepare(2, 1, A))))

    with pytest.raises(Diverged, match="another batch at 1"):
        backup.hear(2, beginning)


def _unsigned(it: Backup) -> dict[str, tuple[int, bytes]]:
    speaker = it.speaker
    votes = [speaker.view_change(by, 2) for by in (0, 2, 3, 4)]
    return {
        "header": (0, speaker.pre_prepare(0, 1, speaker.digest((it.submission(1),)))),
        "status": (3, speaker.sign(Status(*speaker.head, 3, 0, True, 1, A, 0))),
        "view-change": (3, speaker.sign(speaker.view_change(3, 1))),
        "new-view": (2, speaker.sign(speaker.new_view(2, votes))),
    }


@pytest.mark.parametrize("what", _unsigned(Backup()))
def test_what_its_signer_did_not_sign_counts_for_nothing(backup: Backup, what: str) -> None:
    by, frame = _unsigned(backup)[what]
    forged = frame[:-1] + bytes([frame[-1] ^ 1])
    packet = Proposal(forged, (backup.submission(1),)) if what == "header" else Vote(forged)

    assert backup.refusal(by, packet) == "signature does not fit"
    assert (backup.replica.view, backup.replica.entered) == (0, True)
    assert backup.replica.phase == "idle"


def test_who_says_one_thing_of_a_view_twice_is_accused_of_nothing(backup: Backup) -> None:
    it = backup.speaker
    asked = [Vote(it.sign(it.view_change(3, view))) for view in (4, 4, 2)]

    effects = [effect for packet in asked for effect in backup.hear(3, packet)]

    assert not any(isinstance(effect, (ReportEvidence, Broadcast)) for effect in effects)


@pytest.mark.parametrize(("first", "limit", "served"), [(1, 2, 2), (0, 2, 0), (1, 0, 0), (3, 9, 0)])
def test_entries_are_served_as_far_as_there_are_any(
    backup: Backup, first: int, limit: int, served: int
) -> None:
    _executed(backup, 2)

    effects = backup.hear(3, Fetch(first, limit))

    assert [it.limit for it in effects if isinstance(it, Serve)] == [served] * bool(served)
