"""Proof that a replica lied: two conflicting messages, or one that contradicts its own contents.

Nothing less is evidence: a bad signature, silence or slowness accuse nobody.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from engine.codec import Malformed, encode
from engine.consensus.clients import submission_in
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
)
from engine.consensus.settings import Settings, settings_for
from engine.consensus.view_change import plan_of
from engine.genesis import Genesis
from engine.quorum import NEW_VIEW_BYTES
from engine.signing import Verifier
from engine.vocabulary import AgentId, Convicted, Digest, Submission

Contradiction = Callable[[Submission, Submission], str]
"""The application's word on two submissions of one author: the kind of lie that they prove, which
no honest agent ever tells; empty for none. Must depend on the two alone."""


def no_contradiction(_first: Submission, _second: Submission) -> str:
    """An application in which agents may say whatever they like."""
    return ""


BAD_NEW_VIEW = "bad-new-view"
MOST_ORDERED_BYTES = NEW_VIEW_BYTES
"""Both frames together: so the submission that holds them is one that replicas take. Only two
NEW-VIEWs that begin with the same batches can be longer."""


class Evidence(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two signed frames that no honest replica makes both of; ``second`` is empty for one kind."""

    culprit: AgentId
    kind: str
    """``double-`` and the kind of message, ``bad-new-view``, or a kind of the application's."""
    first: bytes
    second: bytes

    @property
    def is_orderable(self) -> bool:
        """Whether it fits a submission; what does not is proof all the same, for whoever has it."""
        return len(self.first) + len(self.second) <= MOST_ORDERED_BYTES


Proof = Callable[[Convicted, Sequence[Genesis]], bool]
"""Whether a ``Convicted`` operation proves its case to whoever knows these constitutions."""


def convicts(
    verifier: Verifier,
    settings: Settings | None = None,
    contradiction: Contradiction = no_contradiction,
) -> Proof:
    """Whether a ``Convicted`` operation holds evidence against its culprit, as a function.

    What was signed in an older epoch counts against whoever still has the key that it had there.
    """
    committees: dict[Digest, Committee] = {}

    def proves(operation: Convicted, constitutions: Sequence[Genesis]) -> bool:
        evidence = Evidence(operation.culprit, operation.kind, operation.first, operation.second)
        newest = constitutions[-1]
        window = (settings or settings_for(newest.n, newest.f)).window
        key = newest.agent_keys().get(operation.culprit)
        known = []
        for constitution in constitutions:
            if constitution.agent_keys().get(operation.culprit) == key:
                name = constitution.base[1]
                if name not in committees:
                    committees[name] = Committee(constitution, verifier)
                known.append(committees[name])
        return is_evidence(evidence, known, window, contradiction)

    return proves


def subject_of(message: AnyMessage) -> tuple[str, int, int] | None:
    """What a replica may speak about only once; None for what it may repeat differently."""
    match message:
        case Ordered():
            return None
        case PrePrepare() | Prepare() | Commit():
            return message.kind, message.view, message.sequence_number
        case Checkpoint():
            return message.kind, 0, message.sequence_number
        case Status():
            return message.kind, 0, message.executed
        case change:
            return change.kind, change.view, 0


def content_of(message: AnyMessage) -> bytes:
    """What it says about its subject."""
    match message:
        case PrePrepare() | Prepare() | Commit():
            return message.digest
        case Checkpoint() | Status():
            return message.chain
        case whole:
            return encode(whole)


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
    return Evidence(committee.ids[one.replica], f"double-{one.kind}", low, high)


def shortest_conflict(first: bytes, second: bytes, committee: Committee) -> Evidence | None:
    """As ``conflict``, but by two of the PRE-PREPAREs in two NEW-VIEWs where those contradict too."""
    whole = conflict(first, second, committee)
    if whole is None or whole.kind != f"double-{NewView.kind}":
        return whole
    one, other = committee.read(first), committee.read(second)
    assert isinstance(one, NewView), "as the kind of the evidence says"
    assert isinstance(other, NewView), "as the kind of the evidence says"
    headers, others = (_headers(it.pre_prepares, committee) for it in (one, other))
    parts = (conflict(headers[it], others[it], committee) for it in headers.keys() & others.keys())
    return min((it for it in parts if it is not None), key=lambda it: it.first, default=whole)


def _headers(frames: Sequence[bytes], committee: Committee) -> dict[int, bytes]:
    """The PRE-PREPAREs among frames that nobody has checked, by sequence number."""
    found: dict[int, bytes] = {}
    for frame in frames:
        with suppress(Refused):
            header = committee.read(frame)
            if isinstance(header, PrePrepare):
                found[header.sequence_number] = frame
    return found


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
    first: bytes, second: bytes, committees: Sequence[Committee], contradiction: Contradiction
) -> Evidence | None:
    """The evidence that two signed submissions of one agent make, if they contradict each other.

    They may be of two epochs in both of which the agent has the same key.
    """
    one, other = _opened(first, committees), _opened(second, committees)
    if one is None or other is None:
        return None
    culprit = AgentId(one.author)
    if one.author != other.author or committees[0].place_of(culprit) is None:
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
    """Whether ``evidence`` proves what it says: anyone can ask this, with the genesis alone.

    ``genesis`` is that of the epoch in which the messages were signed.
    """
    return is_evidence(evidence, [Committee(genesis, verifier)], window, contradiction)


def is_evidence(
    evidence: Evidence, committees: Sequence[Committee], window: int, contradiction: Contradiction
) -> bool:
    """As ``verify_evidence``, where the culprit has one key in the epochs of all ``committees``."""
    first, second = evidence.first, evidence.second
    if evidence.kind == BAD_NEW_VIEW:
        found = [bad_new_view(first, it, window) for it in committees]
    else:
        found = [conflict(first, second, it) for it in committees]
        found.append(contradicts(first, second, committees, contradiction))
    return evidence in found


def _opened(frame: bytes, committees: Sequence[Committee]) -> Submission | None:
    for committee in committees:
        try:
            committee.open_submission(frame)
            return submission_in(frame)
        except (Refused, Malformed):
            continue
    return None
