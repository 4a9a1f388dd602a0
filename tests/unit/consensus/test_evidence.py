"""Two conflicting signatures convict whoever made them; nothing convicts anyone else."""

import pytest

from engine.charter import Charter
from engine.codec import decode, encode
from engine.consensus.evidence import (
    MOST_ORDERED_BYTES,
    Contradiction,
    Evidence,
    bad_new_view,
    conflict,
    convicts,
    no_contradiction,
    shortest_conflict,
    verify_evidence,
)
from engine.consensus.messages import Checkpoint, Ordered, Status
from engine.consensus.settings import Settings
from engine.consensus.simulate.members import OPERATOR
from engine.genesis import Member
from engine.signing import Domain
from engine.vocabulary import AgentId, AuthorId, Convicted, Signed, Submission
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


def _new_views(it: Speaker, *digests: bytes) -> list[bytes]:
    """A NEW-VIEW of replica 1 for each digest, which puts it at 1; each holds another quorum."""
    return [
        it.sign(
            it.new_view(
                1,
                [it.view_change(by, 1, it.prepared(0, 1, digest)) for by in range(first, first + 4)],
                b"no frame at all",
                it.prepare(1, 1, 1, digest),
                it.pre_prepare(1, 1, digest),
            )
        )
        for first, digest in enumerate(digests)
    ]  # fmt: skip


def test_two_new_views_that_begin_with_different_batches_convict_by_two_short_frames() -> None:
    """So that a long view change does not make its proof too long to be ordered."""
    speaker = Speaker()

    first, second = _new_views(speaker, A, B)

    evidence = shortest_conflict(first, second, speaker.committee)

    assert evidence is not None
    assert (evidence.culprit, evidence.kind) == ("agent-1", "double-pre-prepare")
    assert evidence.is_orderable
    assert verify_evidence(evidence, speaker.genesis, speaker.members.verifier, WINDOW)


def test_two_new_views_that_begin_with_the_same_convict_as_they_are() -> None:
    speaker = Speaker()
    first, second = _new_views(speaker, A, A)

    evidence = shortest_conflict(first, second, speaker.committee)

    assert evidence == conflict(first, second, speaker.committee)
    assert evidence is not None
    assert evidence.kind == "double-new-view"


def test_evidence_is_orderable_as_long_as_a_submission_of_it_is_taken() -> None:
    culprit = AgentId(AuthorId("agent-1"))
    half = MOST_ORDERED_BYTES // 2
    longest = Evidence(culprit, "double-new-view", bytes(half), bytes(half))
    too_long = Evidence(culprit, "double-new-view", bytes(half), bytes(half + 1))
    members = Speaker().members
    charge = Convicted(culprit, longest.kind, longest.first, longest.second)

    frame = members.signed(OPERATOR, 1, charge)

    assert longest.is_orderable
    assert not too_long.is_orderable
    assert len(frame) <= Settings().submission_bytes


def test_a_new_view_convicts_however_much_was_prepared_before_it() -> None:
    speaker = Speaker()
    proofs = [speaker.prepared(0, number, A) for number in range(1, WINDOW + 1)]
    votes = [speaker.view_change(by, 1, *proofs) for by in (1, 2, 3, 4)]
    frame = speaker.sign(speaker.new_view(1, votes))

    evidence = bad_new_view(frame, speaker.committee, WINDOW)

    assert evidence is not None
    assert evidence.is_orderable
    charge = Convicted(evidence.culprit, evidence.kind, evidence.first, evidence.second)
    assert convicts(speaker.members.verifier)(charge, [speaker.genesis])


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
        "two words to authors": (
            it.sign(Ordered(*it.head, 2, 1, ())),
            it.sign(Ordered(*it.head, 2, 2, ())),
        ),
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


# --- what the application calls a contradiction ---------------------------------------------------


def _two_tales(first: Submission, second: Submission) -> str:
    """An application in which nobody may ever say two things."""
    return "two-tales" if first.operations != second.operations else ""


def _tale(speaker: Speaker, author: AuthorId, counter: int) -> bytes:
    return speaker.members.submission(counter, author)


def _told_apart(speaker: Speaker, author: AuthorId) -> Evidence:
    first, second = sorted(_tale(speaker, author, counter) for counter in (1, 2))
    return Evidence(AgentId(author), "two-tales", first, second)


def test_two_submissions_convict_where_the_application_says_that_they_contradict() -> None:
    speaker = Speaker()
    told = _told_apart(speaker, speaker.members.ids[2])

    def verified(contradiction: Contradiction) -> bool:
        verifier = speaker.members.verifier
        return verify_evidence(told, speaker.genesis, verifier, WINDOW, contradiction)

    assert verified(_two_tales)
    assert not verified(no_contradiction)


def _no_contradictions(it: Speaker) -> dict[str, Evidence]:
    two, three = it.members.ids[2:4]
    told = _told_apart(it, two)
    low, high = sorted((_tale(it, two, 1), _tale(it, three, 2)))
    forged = told.second[:-1] + bytes([told.second[-1] ^ 1])
    return {
        "of two agents": Evidence(two, "two-tales", low, high),
        "of an operator": _told_apart(it, OPERATOR),
        "with a forged signature": Evidence(two, "two-tales", told.first, forged),
        "the same twice": Evidence(two, "two-tales", told.first, told.first),
        "under another name": Evidence(two, "double-prepare", told.first, told.second),
    }


@pytest.mark.parametrize("pair", _no_contradictions(Speaker()))
def test_no_application_can_convict_by_two_submissions(pair: str) -> None:
    speaker = Speaker()
    claimed = _no_contradictions(speaker)[pair]

    assert not verify_evidence(
        claimed, speaker.genesis, speaker.members.verifier, WINDOW, _two_tales
    )


# --- across epochs --------------------------------------------------------------------------------


def test_what_was_signed_in_an_older_epoch_convicts_until_the_key_is_replaced() -> None:
    speaker = Speaker()
    first, second = sorted((speaker.prepare(2, 0, 1, A), speaker.prepare(2, 0, 1, B)))
    lie = Convicted(speaker.members.ids[2], "double-prepare", first, second)
    founding = speaker.genesis
    charters = {}
    for replaced in (2, 3):
        agent = speaker.members.ids[replaced]
        _, signer = speaker.members.successor(agent, 1)
        members = tuple(
            Member(it.id, it.role, signer.public_key) if it.id == agent else it
            for it in founding.agents
        )
        fields = {name: getattr(founding, name) for name in founding.__struct_fields__}
        fields |= {"agents": members, "epoch": 1}
        charters[replaced] = Charter(
            **fields, founded=founding.cluster, after=24, begins=founding.cluster
        )
    proves = convicts(speaker.members.verifier)

    assert proves(lie, [founding])
    assert proves(lie, [founding, charters[3]])
    assert not proves(lie, [founding, charters[2]])
