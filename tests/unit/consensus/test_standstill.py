"""Two ways to stand still for ever that the simulator found, event by event."""

from engine.consensus.effects import Accepted, Persist
from engine.consensus.messages import Proposal, Vote
from tests.unit.consensus.backup import Backup


def test_a_spoiled_copy_of_a_header_that_was_checked_does_not_get_into_a_proof() -> None:
    backup = Backup()
    good = backup.proposal(1, backup.submission(1))
    spoiled = Proposal(good.frame[:-1] + bytes([good.frame[-1] ^ 1]), good.batch)
    assert "does not fit its digest" in backup.refusal(
        0, Proposal(good.frame, (backup.submission(2),))
    )

    effects = backup.hear(0, spoiled)

    records = [it for effect in effects if isinstance(effect, Persist) for it in effect.records]
    assert [it.frame for it in records if isinstance(it, Accepted)] == [good.frame]


def test_replicas_that_are_further_count_as_leaving_the_view_that_waits_for_a_quorum() -> None:
    # Replica 1 is in the change to view 1; 2 and 0 want it too, 3 has given it up for view 2 and
    # says nothing of view 1 any more. Were 3 not counted, nobody would ever move again.
    backup = Backup()
    it = backup.speaker
    for by in (0, 2):
        backup.hear(by, Vote(it.sign(it.view_change(by, 1))))
    assert (backup.replica.view, backup.replica.entered) == (1, False)

    backup.hear(3, Vote(it.sign(it.view_change(3, 2))))
    backup.wait(5_000)

    assert backup.replica.view > 1
