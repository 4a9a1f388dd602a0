"""Time, as the log has it: f+1 agents say that a step has had its time."""

from engine.council.closing import close, hand_over, next_attempt
from engine.council.deciding import try_to_decide
from engine.council.docket import Docket, Ignored
from engine.council.state import Incident, IncidentStatus
from engine.vocabulary import Elapsed, Step

AWAITED_IN: dict[Step, frozenset[IncidentStatus]] = {
    Step.CORROBORATE: frozenset({IncidentStatus.CLAIMED}),
    Step.DIAGNOSE: frozenset({IncidentStatus.OPEN}),
    Step.PROPOSE: frozenset({IncidentStatus.OPEN, IncidentStatus.DIAGNOSED}),
    Step.PLAN: frozenset({IncidentStatus.OPEN, IncidentStatus.DIAGNOSED}),
    Step.ASSESS: frozenset({IncidentStatus.PROPOSED}),
    Step.APPROVE: frozenset({IncidentStatus.AWAITING_APPROVAL}),
    Step.CERTIFY: frozenset({IncidentStatus.DECIDED}),
    Step.ACT: frozenset({IncidentStatus.CERTIFIED}),
    Step.UNDO: frozenset({IncidentStatus.UNDOING}),
    Step.RECOVER: frozenset({IncidentStatus.ACTED}),
}
"""Where each step is awaited. Only there does a voice count, so that one that was raised about an
earlier status, and ordered late, cannot cut a later one short."""


def elapsed(docket: Docket, operation: Elapsed) -> None:
    """Count one agent's clock; the (f+1)-th ends the step."""
    incident, attempt = docket.current(operation.incident, operation.attempt)
    voices = attempt.elapsed.get(operation.step, set())
    if docket.author in voices:
        raise Ignored("this agent has said so")
    if incident.status not in AWAITED_IN[operation.step]:
        raise Ignored(f"the incident is {incident.status}: this step is not awaited")
    attempt.elapsed[operation.step] = voices | {docket.author}
    if len(voices) == docket.genesis.f:
        docket.tell("elapsed", incident.key, note=str(operation.step))
        _time_is_up(docket, incident, operation.step)


def _time_is_up(docket: Docket, incident: Incident, step: Step) -> None:
    match step:
        case Step.CORROBORATE:
            close(docket, incident, IncidentStatus.UNFOUNDED)
        case Step.DIAGNOSE | Step.PROPOSE:
            pass  # From now on deputies may take it: see ``planning.require_duty``.
        case Step.PLAN:
            next_attempt(docket, incident, "nobody has a plan")
        case Step.ASSESS:
            try_to_decide(docket, incident)
        case Step.APPROVE:
            hand_over(docket, incident, "nobody approved in time")
        case Step.CERTIFY:
            next_attempt(docket, incident, "not certified in time")
        case Step.ACT:
            next_attempt(docket, incident, "not acted in time")
        case Step.UNDO:
            hand_over(docket, incident, "not undone in time")
        case Step.RECOVER:
            next_attempt(docket, incident, "not recovered in time")
