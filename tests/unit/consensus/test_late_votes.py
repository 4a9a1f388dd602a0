"""A vote that agrees with what is proved already is not checked, and still convicts who takes it back."""

from collections.abc import Sequence

import pytest

from engine.codec import encode
from engine.consensus.committee import Committee
from engine.consensus.effects import Effect, Receive, ReportEvidence, Tick
from engine.consensus.messages import Commit, Prepare, Proposal
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from engine.consensus.simulate.members import HashVerifier
from engine.signing import Domain
from tests.unit.consensus.speaking import Speaker

OTHER = bytes([2] * 32)
LATE = 4
"""Whose votes come when four of five have spoken."""


class Counting(HashVerifier):
    """A verifier that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def verify(self, public_key: bytes, domain: Domain, payload: bytes, signature: bytes) -> bool:
        self.asked += 1
        return super().verify(public_key, domain, payload, signature)


class Backup:
    """Replica 1 of five, in view 0, with a batch that is prepared or committed without ``LATE``."""

    def __init__(self, kind: type[Prepare] | type[Commit]) -> None:
        self.kind = kind
        self.speaker = it = Speaker()
        me, self.verifier = it.members.ids[1], Counting()
        committee = Committee(it.genesis, self.verifier)
        self.replica = Replica(committee, me, it.members.signers[me], Settings(), Resume())
        self.replica.step(Tick(0))
        self.batch = (it.members.submission(1),)
        self.digest = it.digest(self.batch)
        header = it.pre_prepare(0, 1, self.digest)
        self.replica.step(Receive(it.members.ids[0], encode(Proposal(header, self.batch))))
        for by in (2, 3):
            self.hear(by, it.prepare(by, 0, 1, self.digest))
        for by in (0, 2, 3) if kind is Commit else ():
            self.hear(by, it.commit(by, 0, 1, self.digest))
        assert self.replica.phase == "prepared" if kind is Prepare else self.replica.executed == 1

    def hear(self, by: int, frame: bytes) -> Sequence[Effect]:
        return self.replica.step(Receive(self.speaker.members.ids[by], frame))

    def vote(self, digest: bytes) -> bytes:
        vote = self.speaker.prepare if self.kind is Prepare else self.speaker.commit
        return vote(LATE, 0, 1, digest)


def accused(effects: Sequence[Effect]) -> list[str]:
    return [it.evidence.culprit for it in effects if isinstance(it, ReportEvidence)]


def spoiled(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 1])


@pytest.fixture(params=[Prepare, Commit])
def backup(request: pytest.FixtureRequest) -> Backup:
    return Backup(request.param)


def test_a_late_vote_that_agrees_is_not_checked(backup: Backup) -> None:
    asked = backup.verifier.asked

    backup.hear(LATE, backup.vote(backup.digest))
    backup.hear(LATE, backup.vote(backup.digest))

    assert backup.verifier.asked == asked


def test_a_late_vote_convicts_who_contradicts_it(backup: Backup) -> None:
    backup.hear(LATE, backup.vote(backup.digest))

    assert accused(backup.hear(LATE, backup.vote(OTHER))) == ["agent-4"]


def test_a_late_vote_convicts_who_contradicted_it_before(backup: Backup) -> None:
    backup.hear(LATE, backup.vote(OTHER))

    assert accused(backup.hear(LATE, backup.vote(backup.digest))) == ["agent-4"]


def test_a_late_vote_meets_the_one_that_another_shows(backup: Backup) -> None:
    backup.hear(LATE, backup.vote(backup.digest))

    assert accused(backup.hear(2, backup.vote(OTHER))) == ["agent-4"]


def test_a_late_vote_that_nobody_signed_accuses_nobody(backup: Backup) -> None:
    backup.hear(LATE, spoiled(backup.vote(backup.digest)))

    assert accused(backup.hear(LATE, backup.vote(OTHER))) == []


def test_a_spoiled_late_vote_does_not_hide_the_signed_one_behind_it(backup: Backup) -> None:
    backup.hear(LATE, spoiled(backup.vote(backup.digest)))
    backup.hear(LATE, backup.vote(backup.digest))

    assert accused(backup.hear(LATE, backup.vote(OTHER))) == ["agent-4"]


def test_a_signed_late_vote_is_not_hidden_by_a_spoiled_one_behind_it(backup: Backup) -> None:
    backup.hear(LATE, backup.vote(backup.digest))
    backup.hear(LATE, spoiled(backup.vote(backup.digest)))

    assert accused(backup.hear(LATE, backup.vote(OTHER))) == ["agent-4"]


def test_a_late_vote_that_was_not_checked_is_no_proof_to_anyone(backup: Backup) -> None:
    effects = backup.hear(LATE, backup.vote(backup.digest))

    assert all(not isinstance(it, ReportEvidence) for it in effects)
    assert backup.replica.executed == (0 if backup.kind is Prepare else 1)
