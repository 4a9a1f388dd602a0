"""Two conflicting signatures convict whoever made them; nothing convicts anyone else."""

import pytest

from engine.codec import decode, encode
from engine.consensus.evidence import (
    Evidence,
    bad_new_view,
    conflict,
    convicts,
    verify_evidence,
)
from engine.consensus.messages import Checkpoint, Status
from engine.signing import Domain
from engine.vocabulary import Convicted, Signed
from tests.unit.consensus.speaking import Speaker

WINDOW = 128
A, B = bytes([1] * 32), bytes([2] * 32)


def _pairs(it: Speaker) -> dict[str, tuple[bytes, bytes]]:
    checkpoints = [it.sign(Checkpoint(*it.head, 2, 64, chain)) for chain in (A, B)]
    statuses = [it.sign(Status(*it.head, 2, view, True, 7, A if view else B, 0)) for view in (0, 1)]
    view_changes = [
        it.sign(it.view_change(2, 1, *proofs)) for proofs in ((), [it.prepared(0, 1, A)])
    ]
    return {
        "double-pre-prepare": (it.pre_prepare(2, 1, A), it.pre_prepare(2, 1, B)),
        "double-prepare": (it.prepare(2, 0, 1, A), it.prepare(2, 0, 1, B)),
        "double-commit": (it.commit(2, 0, 1, A), it.commit(2, 0, 1, B)),
        "double-checkpoint": (checkpoints[0], checkpoints[1]),
        "double-status": (statuses[0], statuses[1]),
        "double-view-change": (view_changes[0], view_changes[1]),
    }  # fmt: skip


@pytest.mark.parametrize("kind", _pairs(Speaker()))
def test_two_conflicting_messages_convict_their_signer_for_anyone(kind: str) -> None:
    speaker = Speaker()
    first, second = _pairs(speaker)[kind]

    evidence = conflict(first, second, speaker.committee)

    assert evidence is not None
    assert (evidence.culprit, evidence.kind) == ("agent-2", kind)
    assert evidence == conflict(second, first, speaker.committee)
    assert verify_evidence(evidence, speaker.genesis, speaker.members.verifier, WINDOW)
    operation = Convicted(evidence.culprit, evidence.kind, evidence.first, evidence.second)
    assert convicts(speaker.members.verifier)(operation, [speaker.genesis])


def test_a_new_view_against_its_own_contents_convicts_the_primary() -> None:
    speaker = Speaker()
    votes = [speaker.view_change(by, 1, speaker.prepared(0, 1, A)) for by in (1, 2, 3, 4)]
    frame = speaker.sign(speaker.new_view(1, votes))

    evidence = bad_new_view(frame, speaker.committee, WINDOW)

    assert evidence is not None
    assert evidence.culprit == "agent-1"
    assert verify_evidence(evidence, speaker.genesis, speaker.members.verifier, WINDOW)


def _innocent(it: Speaker) -> dict[str, tuple[bytes, bytes]]:
    vote = it.prepare(2, 0, 1, A)
    signed = decode(it.prepare(2, 0, 1, B), Signed)
    forged = encode(Signed(signed.payload, bytes(64)))
    other = Speaker(name="other").prepare(2, 0, 1, B)
    submission = it.members.signers[it.members.ids[2]].sign(Domain.SUBMISSION, signed.payload)
    return {
        "the same vote twice": (vote, vote),
        "votes of two replicas": (vote, it.prepare(3, 0, 1, B)),
        "votes in two views": (vote, it.prepare(2, 1, 1, B)),
        "votes on two numbers": (vote, it.prepare(2, 0, 2, B)),
        "votes of two kinds": (vote, it.commit(2, 0, 1, B)),
        "a forged signature": (vote, forged),
        "a signature for another purpose": (vote, encode(Signed(signed.payload, submission))),
        "a vote in another cluster": (vote, other),
        "garbage": (vote, b"garbage"),
    }


@pytest.mark.parametrize("pair", _innocent(Speaker()))
def test_nobody_is_convicted_by(pair: str) -> None:
    speaker = Speaker()
    first, second = _innocent(speaker)[pair]

    assert conflict(first, second, speaker.committee) is None
    claimed = Evidence(speaker.members.ids[2], "double-prepare", first, second)
    assert not verify_evidence(claimed, speaker.genesis, speaker.members.verifier, WINDOW)


def test_evidence_does_not_convict_another_than_the_signer() -> None:
    speaker = Speaker()
    first, second = sorted((speaker.prepare(2, 0, 1, A), speaker.prepare(2, 0, 1, B)))

    claimed = Evidence(speaker.members.ids[3], "double-prepare", first, second)

    assert not verify_evidence(claimed, speaker.genesis, speaker.members.verifier, WINDOW)


def test_an_honest_new_view_convicts_nobody() -> None:
    speaker = Speaker()
    votes = [speaker.view_change(by, 1) for by in (1, 2, 3, 4)]

    frame = speaker.sign(speaker.new_view(1, votes))

    assert bad_new_view(frame, speaker.committee, WINDOW) is None
    assert bad_new_view(speaker.prepare(2, 0, 1, A), speaker.committee, WINDOW) is None
    assert bad_new_view(b"garbage", speaker.committee, WINDOW) is None
