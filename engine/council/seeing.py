"""The beginning of an incident: somebody claims it, f+1 agents see it; and forecasts of one."""

from engine.council.docket import Docket, Ignored
from engine.council.state import Attempt, Incident, IncidentStatus
from engine.vocabulary import Corroborated, IncidentKey, Opened, Warned

MAX_OPEN_INCIDENTS = 16
"""More are ignored: a storm is one incident, and f+1 agents must see each."""
MAX_CLAIMS_PER_AGENT = 2
"""Claims of one agent that nobody else has seen yet: one liar cannot use all places up."""


def opened(docket: Docket, operation: Opened) -> None:
    """Take a claim, or count it as corroboration of the same claim that was ordered before."""
    if not operation.anomalies:
        raise Ignored("names no anomaly")
    existing = docket.incidents.get(operation.incident)
    if existing is not None:
        witness(docket, existing, operation)
        return
    subject = subject_of(docket, operation.incident)
    waiting = docket.open_incidents
    if len(waiting) >= MAX_OPEN_INCIDENTS:
        raise Ignored(f"{MAX_OPEN_INCIDENTS} incidents are open")
    if any(incident.subject == subject for incident in waiting):
        raise Ignored("an incident about this subject is open")
    if sum(_is_lone_claim(docket, incident) for incident in waiting) >= MAX_CLAIMS_PER_AGENT:
        raise Ignored("this agent's earlier claims wait for a second witness")
    docket.opened += 1
    docket.incidents[operation.incident] = Incident(
        key=operation.incident,
        subject=subject,
        status=IncidentStatus.CLAIMED,
        opened_at=docket.sequence_number,
        anomalies=operation.anomalies,
        witnesses={docket.author: operation.anomalies},
        attempts=[Attempt(0)],
    )
    # Forecasts about numbers that will never be given out now.
    docket.warnings = {
        key: warnings for key, warnings in docket.warnings.items() if key in docket.incidents
    }


def corroborated(docket: Docket, operation: Corroborated) -> None:
    """Count one more agent that sees it in its own window."""
    if not operation.anomalies:
        raise Ignored("names no anomaly")
    witness(docket, docket.incident(operation.incident), operation)


def witness(docket: Docket, incident: Incident, operation: Opened | Corroborated) -> None:
    """Count a witness; with the (f+1)-th the claim is an incident."""
    if incident.status.is_closed or docket.author in incident.witnesses:
        raise Ignored("this agent has spoken, or the incident is closed")
    incident.witnesses[docket.author] = operation.anomalies
    if incident.status is IncidentStatus.CLAIMED and docket.says_enough(incident.witnesses):
        incident.attempts = [Attempt(1)]
        incident.move(IncidentStatus.OPEN)
        docket.tell("open", incident.key)


def warned(docket: Docket, operation: Warned) -> None:
    """Keep a forecast about an open incident, or about the one that would come next."""
    if docket.manifest.spec(operation.signal.service) is None:
        raise Ignored("warns of a service that is not in the manifest")
    existing = docket.incidents.get(operation.incident)
    if existing is None:
        subject_of(docket, operation.incident)
    elif existing.status.is_closed:
        raise Ignored("no such open incident")
    if docket.author in docket.warnings.get(operation.incident, {}):
        raise Ignored("this agent has warned of it")
    docket.warnings.setdefault(operation.incident, {})[docket.author] = operation


def subject_of(docket: Docket, key: IncidentKey) -> str:
    """What the incident that would be called ``key`` next is about."""
    subject = key.removeprefix(f"{docket.manifest.name}/").rpartition("#")[0]
    if key != docket.next_key(subject):
        raise Ignored("not the next running number")
    if subject != docket.manifest.objective.subject and docket.manifest.spec(subject) is None:
        raise Ignored("its subject is neither the objective nor a service")
    return subject


def _is_lone_claim(docket: Docket, incident: Incident) -> bool:
    """Whether only the author of the operation under count has seen the incident."""
    return incident.status is IncidentStatus.CLAIMED and docket.author in incident.witnesses
