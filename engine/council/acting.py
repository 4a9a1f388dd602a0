"""What came of an action, and what is undone: the actuator's word, and the agents' on it."""

from engine.certificate import certificate_digest
from engine.council.closing import hand_over, next_attempt
from engine.council.docket import Docket, Ignored
from engine.council.state import Attempt, Incident, IncidentStatus
from engine.vocabulary import (
    Acted,
    Certificate,
    Digest,
    OutcomeKind,
    Undone,
    UndoRequested,
    Worse,
)

_UNDOABLE = frozenset({IncidentStatus.ACTED, IncidentStatus.HANDED_OVER, IncidentStatus.TAKEN_OVER})
"""Where an operator may fire the undo: something was done, and nothing is under way."""


def acted(docket: Docket, operation: Acted) -> None:
    """Take the actuator's word on one step; only done, for every step, goes on to verifying."""
    incident, attempt, certificate = _certified_as(docket, operation.certificate)
    steps = len(certificate.plan.actions)
    if operation.step in attempt.outcomes:
        raise Ignored("this step was reported before")
    if not 0 <= operation.step < steps:
        raise Ignored("no such step in the plan")
    attempt.outcomes[operation.step] = operation.outcome
    if operation.generation is not None:
        attempt.generations[operation.step] = operation.generation
    if attempt is not incident.attempt or incident.status is not IncidentStatus.CERTIFIED:
        return
    if operation.outcome is not OutcomeKind.DONE:
        next_attempt(docket, incident, f"the action is {operation.outcome}")
    elif len(attempt.outcomes) == steps:
        # Who saw a recovery before the action did not see this one.
        attempt.recovered.clear()
        incident.move(IncidentStatus.ACTED)
        docket.tell("acted on", incident.key)


def undone(docket: Docket, operation: Undone) -> None:
    """Take the actuator's word on one step of an undo."""
    incident, attempt, certificate = _certified_as(docket, operation.certificate)
    steps = len(certificate.plan.undo)
    if operation.step in attempt.undo_outcomes:
        raise Ignored("this step was reported before")
    if not 0 <= operation.step < steps:
        raise Ignored("no such step in the undo")
    attempt.undo_outcomes[operation.step] = operation.outcome
    if attempt is not incident.attempt or incident.status is not IncidentStatus.UNDOING:
        return
    if operation.outcome is not OutcomeKind.DONE:
        hand_over(docket, incident, f"the undo is {operation.outcome}")
    elif len(attempt.undo_outcomes) < steps:
        return
    elif attempt.undo_from is None or attempt.undo_from.is_automatic:
        next_attempt(docket, incident, "undone")
    else:
        # People had it in hand when one of them fired the undo: it stays with them.
        incident.move(attempt.undo_from)
        docket.tell(str(attempt.undo_from), incident.key, note="undone")


def worse(docket: Docket, operation: Worse) -> None:
    """Count one agent that sees it worse than before; f+1 fire the undo."""
    incident, attempt = docket.current(operation.incident, operation.attempt)
    if incident.status is not IncidentStatus.ACTED:
        raise Ignored("nothing was done that could have made it worse")
    if docket.author in attempt.undo_orders:
        raise Ignored("this agent has spoken")
    attempt.undo_orders[docket.author] = docket.signed
    if docket.says_enough(attempt.undo_orders):
        _fire_undo(docket, incident, "worse, and it has no undo")


def undo_requested(docket: Docket, operation: UndoRequested) -> None:
    """Take an operator's order to undo what was done in the attempt under way."""
    incident = docket.seen(operation.incident, operation.version)
    attempt = incident.attempt
    certificate = attempt.certificate
    if certificate is None or certificate.body.plan != operation.plan:
        raise Ignored("this plan was not certified in the attempt under way")
    if incident.status not in _UNDOABLE or not attempt.outcomes or attempt.undo_outcomes:
        raise Ignored("nothing was done, or it is being undone")
    if not certificate.plan.undo:
        raise Ignored("the catalogue declares that this plan has no undo")
    attempt.undo_orders[docket.author] = docket.signed
    _fire_undo(docket, incident, "")


def _fire_undo(docket: Docket, incident: Incident, why_not: str) -> None:
    attempt = incident.attempt
    if attempt.certificate is None or not attempt.certificate.plan.undo:
        next_attempt(docket, incident, why_not)
        return
    attempt.undo_from = incident.status
    incident.move(IncidentStatus.UNDOING)
    docket.tell("undoing", incident.key)


def _certified_as(docket: Docket, name: Digest) -> tuple[Incident, Attempt, Certificate]:
    """The attempt whose complete certificate is called ``name``."""
    for incident in docket.incidents.values():
        for attempt in incident.attempts:
            complete = attempt.certificate
            if complete is not None and certificate_digest(complete.body) == name:
                return incident, attempt, complete
    raise Ignored("no complete certificate has this name")
