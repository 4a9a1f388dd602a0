"""Proof that a replica lied: two conflicting messages, or one that contradicts its own contents.

Nothing less is evidence: a bad signature, silence or slowness accuse nobody.
"""

from collections.abc import Callable

import msgspec

from engine.codec import encode
from engine.consensus.committee import Committee, Refused
from engine.consensus.messages import (
    AnyMessage,
    Checkpoint,
    Commit,
    NewView,
    Ordered,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
    kind_of,
)
from engine.consensus.settings import Settings, settings_for
from engine.consensus.view_change import plan_of
from engine.genesis import Genesis
from engine.signing import Verifier
from engine.vocabulary import AgentId, Convicted, Submission

Contradiction = Callable[[Submission, Submission], str]
"""The application's word on two submissions of one author: the kind of lie that they prove, which
no honest agent ever tells; empty for none. Must depend on the two alone."""


def no_contradiction(_first: Submission, _second: Submission) -> str:
    """An application in which agents may say whatever they like."""
    return ""


BAD_NEW_VIEW = "bad-new-view"


class Evidence(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two signed frames that no honest replica makes both of; ``second`` is empty for one kind."""

    culprit: AgentId
    kind: str
    """``double-`` and the kind of message, ``bad-new-view``, or a kind of the application's."""
    first: bytes
    second: bytes


def convicts(
    genesis: Genesis,
    verifier: Verifier,
    settings: Settings | None = None,
    contradiction: Contradiction = no_contradiction,
) -> Callable[[Convicted], bool]:
    """Whether a ``Convicted`` operation holds evidence against its culprit, as a function."""
    window = (settings or settings_for(genesis.n, genesis.f)).window

    def proves(operation: Convicted) -> bool:
        evidence = Evidence(operation.culprit, operation.kind, operation.first, operation.second)
        return verify_evidence(evidence, genesis, verifier, window, contradiction)

    return proves


def subject_of(message: AnyMessage) -> tuple[str, int, int] | None:
    """What a replica may speak about only once; None for what it may repeat differently."""
    match message:
        case PrePrepare() | Prepare() | Commit():
            return kind_of(message), message.view, message.sequence_number
        case Checkpoint():
            return kind_of(message), 0, message.sequence_number
        case Status():
            return kind_of(message), 0, message.executed
        case ViewChange() | NewView():
            return kind_of(message), message.view, 0
        case Ordered():
            return None


def content_of(message: AnyMessage) -> bytes:
    """What it says about its subject."""
    match message:
        case PrePrepare() | Prepare() | Commit():
            return message.digest
        case Checkpoint() | Status():
            return message.chain
        case ViewChange() | NewView() | Ordered():
            return encode(message)


def conflict(first: bytes, second: bytes, committee: Committee) -> Evidence | None:
    """The evidence that two frames make, if both are signed and contradict each other."""
    try:
        one, other = committee.open(first), committee.open(second)
    except Refused:
        return None
    subject = subject_of(one)
    if subject is None or subject != subject_of(other) or one.replica != other.replica:
        return None
    if content_of(one) == content_of(other):
        return None
    low, high = sorted((first, second))
    return Evidence(committee.ids[one.replica], f"double-{kind_of(one)}", low, high)


def bad_new_view(frame: bytes, committee: Committee, window: int) -> Evidence | None:
    """The evidence that one signed NEW-VIEW makes, if it contradicts its own contents."""
    try:
        message = committee.open(frame)
    except Refused:
        return None
    if not isinstance(message, NewView):
        return None
    try:
        plan_of(message, committee, window)
    except Refused:
        return Evidence(committee.ids[message.replica], BAD_NEW_VIEW, frame, b"")
    return None


def contradicts(
    first: bytes, second: bytes, committee: Committee, contradiction: Contradiction
) -> Evidence | None:
    """The evidence that two signed submissions of one agent make, if they contradict each other."""
    try:
        one, other = committee.open_submission(first), committee.open_submission(second)
    except Refused:
        return None
    culprit = AgentId(one.author)
    if one.author != other.author or committee.place_of(culprit) is None:
        return None
    kind = contradiction(one, other)
    low, high = sorted((first, second))
    return Evidence(culprit, kind, low, high) if kind else None


def verify_evidence(
    evidence: Evidence,
    genesis: Genesis,
    verifier: Verifier,
    window: int,
    contradiction: Contradiction = no_contradiction,
) -> bool:
    """Whether ``evidence`` proves what it says: anyone can ask this, with the genesis alone."""
    committee = Committee(genesis, verifier)
    if evidence.kind == BAD_NEW_VIEW:
        found = bad_new_view(evidence.first, committee, window)
    else:
        found = conflict(evidence.first, evidence.second, committee) or contradicts(
            evidence.first, evidence.second, committee, contradiction
        )
    return found == evidence
