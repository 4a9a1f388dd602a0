"""What the responders did in one run, told from the ledger and its receipt stamps (pure)."""

from collections.abc import Iterable, Sequence

import msgspec

from chaos.measure import ActionTaken, since
from engine.catalogue import tag_of
from engine.certificate import certificate_digest
from engine.council import Council, Happening, IncidentStatus
from engine.vocabulary import Acted, Diagnosed, FaultKind, OutcomeKind, ServiceName


class Expectation(msgspec.Struct, frozen=True):
    """The truth about a fault, kept in the drill's memory: what a right answer would be."""

    service: ServiceName
    kind: FaultKind
    repair: str
    """The action that mends it, by its name on the wire."""


class Stamped(msgspec.Struct, frozen=True):
    """One thing that followed from the log, and when the engine received its batch."""

    received_ns: int
    happening: Happening


class Story(msgspec.Struct, frozen=True):
    """Stamps in CLOCK_MONOTONIC ns, null where it did not come."""

    detected_ns: int | None
    diagnosed_ns: int | None
    """When the right service and kind first led a diagnosis."""
    decided_ns: int | None
    acted_ns: int | None
    diagnosis_right: bool | None
    """Whether the last diagnosis before the first action was right; null without any."""
    actions: tuple[ActionTaken, ...]
    needless_actions: int
    handed_over: bool


def story_of(
    log: Sequence[Stamped], council: Council, truth: Expectation | None, injected_ns: int
) -> Story:
    """Tell what happened after ``injected_ns``, judged by ``truth`` (None: nothing was broken)."""
    after = [stamped for stamped in log if stamped.received_ns >= injected_ns]
    actions = tuple(_actions(after, council, injected_ns))
    return Story(
        detected_ns=_first(after, "open"),
        diagnosed_ns=next(
            (s.received_ns for s in after if _is_right(s.happening, truth)),
            None,
        ),
        decided_ns=_first(after, "decided"),
        acted_ns=_first(after, "acted on"),
        diagnosis_right=_last_diagnosis_right(after, truth),
        actions=actions,
        needless_actions=needless(actions, truth),
        handed_over=any(
            incident.status is IncidentStatus.HANDED_OVER for incident in council.incidents.values()
        )
        or _first(after, "handed over") is not None,
    )


def needless(actions: Iterable[ActionTaken], truth: Expectation | None) -> int:
    """Actions that changed something without need: another target or kind, or a repetition."""
    done = [action for action in actions if action.outcome == OutcomeKind.DONE]
    if truth is None:
        return len(done)
    right = [a for a in done if (a.service, a.action) == (truth.service, truth.repair)]
    return len(done) - min(1, len(right))


def _first(log: Iterable[Stamped], kind: str) -> int | None:
    return next((s.received_ns for s in log if s.happening.kind == kind), None)


def _leads_right(diagnosed: Diagnosed, truth: Expectation | None) -> bool:
    best = diagnosed.hypotheses[0] if diagnosed.hypotheses else None
    if best is None or truth is None:
        return False
    return (best.service, best.kind) == (truth.service, truth.kind)


def _is_right(happening: Happening, truth: Expectation | None) -> bool:
    match happening:
        case Happening(kind="diagnosed", operation=Diagnosed() as diagnosed):
            return _leads_right(diagnosed, truth)
        case _:
            return False


def _last_diagnosis_right(log: Iterable[Stamped], truth: Expectation | None) -> bool | None:
    right: bool | None = None
    for stamped in log:
        match stamped.happening:
            case Happening(kind="diagnosed", operation=Diagnosed() as diagnosed):
                right = _leads_right(diagnosed, truth)
            case Happening(kind="acted on"):
                break
            case _:
                pass
    return right


def _actions(log: Iterable[Stamped], council: Council, injected_ns: int) -> Iterable[ActionTaken]:
    plans = {
        certificate_digest(attempt.body): attempt.certificate.plan
        for incident in council.incidents.values()
        for attempt in incident.attempts
        if attempt.body is not None and attempt.certificate is not None
    }
    for stamped in log:
        match stamped.happening:
            case Happening(kind="acted", operation=Acted() as acted):
                action = plans[acted.certificate].actions[acted.step]
                yield ActionTaken(
                    action=tag_of(action),
                    service=action.service,
                    outcome=str(acted.outcome),
                    at_s=since(stamped.received_ns, injected_ns),
                )
            case _:
                pass
