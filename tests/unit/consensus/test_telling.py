"""A vote for another batch is shown to everyone, so that votes told differently meet."""

from collections.abc import Sequence

from engine.consensus.effects import Broadcast, Effect, Receive, ReportEvidence, Tick
from engine.consensus.messages import Packet, Proposal, Vote, decode_packet, encode_packet
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from tests.unit.consensus.speaking import Speaker

B = bytes([2] * 32)


class Backup:
    """Replica 1 of five, in view 0."""

    def __init__(self) -> None:
        self.speaker = it = Speaker()
        me = it.members.ids[1]
        self.replica = Replica(it.committee, me, it.members.signers[me], Settings(), Resume())
        self.replica.step(Tick(0))
        self.batch = (it.members.submission(1),)
        self.digest = it.digest(self.batch)

    def hear(self, by: int, packet: Packet) -> Sequence[Effect]:
        return self.replica.step(Receive(self.speaker.members.ids[by], encode_packet(packet)))

    def propose(self) -> Sequence[Effect]:
        header = self.speaker.pre_prepare(0, 1, self.digest)
        return self.hear(0, Proposal(header, self.batch))


def shown(effects: Sequence[Effect], frame: bytes) -> int:
    said = [decode_packet(it.frame) for it in effects if isinstance(it, Broadcast)]
    return said.count(Vote(frame))


def accused(effects: Sequence[Effect]) -> list[str]:
    return [it.evidence.culprit for it in effects if isinstance(it, ReportEvidence)]


def test_a_vote_for_another_batch_is_shown_to_everyone_once() -> None:
    backup = Backup()
    backup.propose()
    lie = backup.speaker.prepare(3, 0, 1, B)

    assert shown(backup.hear(3, Vote(lie)), lie) == 1
    assert shown(backup.hear(3, Vote(lie)), lie) == 0


def test_a_vote_that_came_before_the_proposal_is_shown_too() -> None:
    backup = Backup()
    lie = backup.speaker.commit(3, 0, 1, B)

    assert shown(backup.hear(3, Vote(lie)), lie) == 0
    assert shown(backup.propose(), lie) == 1


def test_a_vote_that_agrees_is_not_shown() -> None:
    backup = Backup()
    backup.propose()
    vote = backup.speaker.prepare(3, 0, 1, backup.digest)

    assert shown(backup.hear(3, Vote(vote)), vote) == 0


def test_a_vote_shown_by_another_meets_the_one_sent_here() -> None:
    backup = Backup()
    backup.propose()
    backup.hear(3, Vote(backup.speaker.prepare(3, 0, 1, backup.digest)))

    effects = backup.hear(2, Vote(backup.speaker.prepare(3, 0, 1, B)))

    assert accused(effects) == ["agent-3"]


def test_a_vote_shown_by_another_is_never_counted() -> None:
    backup = Backup()
    backup.propose()

    for signer in (0, 2, 3, 4):
        backup.hear(4, Vote(backup.speaker.commit(signer, 0, 1, backup.digest)))
    backup.hear(4, Vote(backup.speaker.commit(0, 0, 999, backup.digest)))

    assert backup.replica.executed == 0


def test_a_forged_vote_shown_by_another_accuses_nobody() -> None:
    backup = Backup()
    backup.propose()
    backup.hear(3, Vote(backup.speaker.prepare(3, 0, 1, backup.digest)))
    forged = backup.speaker.prepare(3, 0, 1, B)

    effects = backup.hear(2, Vote(forged[:-1] + bytes([forged[-1] ^ 1])))

    assert accused(effects) == []
