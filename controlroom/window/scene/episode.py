"""What the incident on screen has come to, as times and names (pure).

Read from one state alone, so that any moment of a recording tells the same as it did live. What
follows from something is drawn after it, never before it happened.
"""

from typing import NamedTuple

from engine.stream.state import ScreenState

FLY_S = 0.7
"""A signature's way to the middle of the council."""
CARRY_S = 0.7
"""A certificate's way to the actuator."""
FALL_S = 0.6
"""An action's way to its service."""
STRIKE_S = 1.6
"""How long its impact is seen."""
JUDGED_S = 0.6
"""How long a plan is seen before the first signature leaves for it, at least."""
FADE_S = 3.0
"""How long the beam takes to fade once the incident is closed."""
_TELLING = frozenset(
    {"opened", "corroborated", "diagnosed", "warned", "proposed", "assessed", "recovered", "worse"}
)
_CONVICTED = " is convicted"
DONE, NOT_DONE, UNKNOWN = "done", "not-done", "unknown"
"""``engine.vocabulary.OutcomeKind``, as rows tell it."""


class Word(NamedTuple):
    """Something that one agent put into the log."""

    at_s: float
    who: str
    kind: str


class Episode(NamedTuple):
    """The incident at one moment, in seconds of the timeline."""

    key: str
    title: str
    status: str
    service: str
    """The service that is suspected, or that is plainly broken; empty where none is known."""
    opened_s: float
    closed_s: float
    """Infinite while it is open."""
    recovered: bool
    words: tuple[Word, ...]
    members: int
    accepts: int
    rejects: int
    threshold: int
    quorum: int
    signatures: tuple[Word, ...]
    """Of the newest decision, oldest first."""
    sealed_s: float
    """When the certificate is seen complete; infinite before."""
    carried_s: float
    """When it is seen to have reached the actuator."""
    acted_s: float
    """When the action is seen to leave the actuator; infinite before it is known."""
    outcome: str
    """What came of the action, the worst of its steps: ``done``, ``not-done`` or ``unknown``."""
    target: str
    """The service that the plan names."""

    @property
    def struck_s(self) -> float:
        """When the action is seen to reach its service."""
        return self.acted_s + FALL_S


NEVER = float("inf")


def convicted(state: ScreenState) -> tuple[str, ...]:
    """The agents of whom the log proves that they lied."""
    return tuple(
        notice.removesuffix(_CONVICTED) for notice in state.notices if notice.endswith(_CONVICTED)
    )


def episode(t_s: float, state: ScreenState) -> Episode | None:
    """The incident of ``state``, which became known at ``t_s``; none where there is none."""
    row, swarm = state.incident, state.swarm
    if row is None:
        return None
    shift = t_s - state.at_ms / 1000
    words = tuple(
        Word(entry.at_ms / 1000 + shift, entry.who, entry.kind)
        for entry in state.timeline
        if entry.kind in _TELLING
    )
    times = {entry.kind: entry.at_ms / 1000 + shift for entry in state.timeline}
    decided_s = times.get("decided", -NEVER)
    certificate_s = times.get("certificate", NEVER) if row.certificate else NEVER
    if certificate_s < decided_s:
        certificate_s = NEVER
    earliest_s = times.get("proposed", -NEVER) + JUDGED_S
    signatures = _signatures(state, shift, decided_s, earliest_s) if decided_s > -NEVER else ()
    counted = signatures[: swarm.quorum] if swarm is not None else signatures
    last_s = max((word.at_s for word in counted), default=-NEVER)
    sealed_s = max(certificate_s, last_s + FLY_S)
    carried_s = sealed_s + CARRY_S
    acted_s = times.get("acted", NEVER)
    return Episode(
        key=row.key,
        title=row.title,
        status=row.status,
        service=_suspect(state),
        opened_s=row.opened_ms / 1000 + shift,
        closed_s=row.closed_ms / 1000 + shift if row.closed_ms else NEVER,
        recovered=row.status == "recovered",
        words=words,
        members=swarm.n if swarm is not None else len(state.agents),
        accepts=row.accepts,
        rejects=row.rejects,
        threshold=row.threshold,
        quorum=swarm.quorum if swarm is not None else 0,
        signatures=signatures,
        sealed_s=sealed_s,
        carried_s=carried_s,
        acted_s=max(acted_s, carried_s) if acted_s >= decided_s and acted_s < NEVER else NEVER,
        outcome=_outcome(state, shift, decided_s),
        target=_named(row.plan, state),
    )


def _signatures(
    state: ScreenState, shift: float, decided_s: float, earliest_s: float
) -> tuple[Word, ...]:
    """Who signed the certificate, from the operations of the ledger's newest batches."""
    found: dict[str, Word] = {}
    for batch in state.ledger:
        at_s = batch.at_ms / 1000 + shift
        if at_s < decided_s:
            continue
        for operation in batch.operations:
            who, _, kind = operation.partition(": ")
            if kind == "certified":
                found.setdefault(who, Word(max(at_s, earliest_s), who, kind))
    return tuple(found.values())


def _outcome(state: ScreenState, shift: float, decided_s: float) -> str:
    """What came of the newest decision's action; ``done`` where nobody says anything else."""
    said = {
        entry.outcome
        for entry in state.timeline
        if entry.kind == "acted" and entry.at_ms / 1000 + shift >= decided_s
    }
    return next((worst for worst in (NOT_DONE, UNKNOWN) if worst in said), DONE)


def _suspect(state: ScreenState) -> str:
    row = state.incident
    assert row is not None
    for hypothesis in row.hypotheses[:1]:
        name = hypothesis.split(" ", 1)[0]
        if name in state.services:
            return name
    worst = max(state.services.values(), key=lambda it: (it.errors, it.health), default=None)
    if worst is not None and worst.errors >= 0.1:
        return worst.name
    subject = row.key.partition("/")[2].partition("#")[0]
    return subject if subject in state.services else ""


def _named(words: str, state: ScreenState) -> str:
    """The first service that a plan's words name."""
    return next((word for word in words.replace(",", " ").split() if word in state.services), "")
