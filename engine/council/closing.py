"""How an attempt ends, and with it perhaps the incident: closed, tried again, or handed over."""

from engine.council.docket import Docket, Ignored
from engine.council.state import Attempt, Incident, IncidentStatus, ProbeState
from engine.vocabulary import OutcomeKind, Probed, Recovered

MAX_CLOSED_INCIDENTS = 64
"""Closed incidents kept in the fold; older ones are in the ledger."""

UNDER_WAY = frozenset({IncidentStatus.DECIDED, IncidentStatus.CERTIFIED, IncidentStatus.UNDOING})
"""Something is being done, or may be at any moment: nobody can say yet what came of it."""


def recovered(docket: Docket, operation: Recovered) -> None:
    """Count one agent's word that its window is back to habit."""
    incident, attempt = docket.current(operation.incident, operation.attempt)
    if docket.author in attempt.recovered:
        raise Ignored("this agent has spoken")
    if incident.status in UNDER_WAY:
        raise Ignored("an action is under way")
    attempt.recovered.add(docket.author)
    try_to_close(docket, incident)


def try_to_close(docket: Docket, incident: Incident) -> None:
    """Close the incident if q − f agents and the SLO probe say that it is over."""
    needed = docket.genesis.quorum - docket.genesis.f
    if incident.status in UNDER_WAY or len(incident.attempt.recovered) < needed:
        return
    if not probe_agrees(docket):
        return
    something_was_done = any(
        outcome is not OutcomeKind.NOT_DONE
        for attempt in incident.attempts
        for outcome in attempt.outcomes.values()
    )
    end = IncidentStatus.RECOVERED if something_was_done else IncidentStatus.SUBSIDED
    close(docket, incident, end)


def probe_agrees(docket: Docket) -> bool:
    """Whether the SLO probe is green for its hold time, where there is a probe."""
    if not docket.genesis.probe:
        return True
    objective = docket.manifest.objective
    probe = docket.probes.get(objective.subject)
    return probe is not None and probe.green and probe.held_ms >= objective.hold_ms


def probed(docket: Docket, operation: Probed) -> None:
    """Take the SLO probe's word; it may be the last thing that an incident waited for."""
    if operation.subject != docket.manifest.objective.subject:
        raise Ignored("a subject that the manifest does not know")
    last = docket.probes.get(operation.subject)
    if last is not None and operation.counter <= last.counter:
        raise Ignored("older than what the probe said before")
    docket.probes[operation.subject] = ProbeState(
        operation.counter, operation.green, operation.held_ms
    )
    for incident in docket.open_incidents:
        try_to_close(docket, incident)


def next_attempt(docket: Docket, incident: Incident, why: str) -> None:
    """Try anew, or hand over to people when the last attempt has failed."""
    if incident.attempt.number >= docket.rules.limits.attempts:
        hand_over(docket, incident, why)
        return
    incident.attempts.append(Attempt(incident.attempt.number + 1))
    incident.move(IncidentStatus.OPEN)
    docket.tell("attempt", incident.key, note=why)


def hand_over(docket: Docket, incident: Incident, why: str) -> None:
    """The swarm may not, or cannot, do more: people must act."""
    incident.move(IncidentStatus.HANDED_OVER)
    docket.tell("handed over", incident.key, note=why)


def close(docket: Docket, incident: Incident, status: IncidentStatus) -> None:
    """End the incident; the oldest closed ones are forgotten."""
    incident.move(status)
    incident.closed_at = docket.sequence_number
    docket.closed += 1
    docket.warnings.pop(incident.key, None)
    kept = [key for key, other in docket.incidents.items() if other.status.is_closed]
    for key in kept[: max(0, len(kept) - MAX_CLOSED_INCIDENTS)]:
        del docket.incidents[key]
    docket.tell("closed", incident.key, note=str(status))
