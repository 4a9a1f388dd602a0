"""What an operator may order now, and whether what he saw still stands (pure)."""

from engine.stream.commands import Shown
from engine.stream.state import IncidentRow, ScreenState


def can_answer(state: ScreenState) -> bool:
    """Whether a plan waits for an operator's yes."""
    incident = state.incident
    return (
        incident is not None
        and incident.needs_approval
        and bool(incident.plan_digest)
        and not incident.certificate
        and not incident.closed_ms
    )


def can_refuse(state: ScreenState) -> bool:
    """Whether there is a plan that has not been certified yet."""
    incident = state.incident
    return (
        incident is not None
        and bool(incident.plan_digest)
        and not incident.certificate
        and not incident.closed_ms
    )


def can_undo(state: ScreenState) -> bool:
    """Whether a certified plan may have been carried out."""
    incident = state.incident
    return incident is not None and bool(incident.certificate) and bool(incident.plan_digest)


def can_take_over(state: ScreenState) -> bool:
    """Whether the swarm still works on an incident."""
    incident = state.incident
    return incident is not None and not incident.closed_ms and incident.status != "taken over"


def is_frozen(state: ScreenState) -> bool:
    """Whether all automation is stopped."""
    return state.swarm is not None and state.swarm.frozen


def why_void(shown: Shown, live: ScreenState) -> str:
    """Why an order about what was ``shown`` must not leave any more; empty while it may.

    An order names the incident, its version and the plan as they stood on the screen. When the
    live state has moved on, whoever gave the order has not seen what he would be ordering.
    """
    incident = live.incident
    if incident is None or incident.key != shown.incident:
        return "another incident is on the screen now"
    if incident.plan_digest != shown.plan:
        return "the plan is another one now"
    if incident.version != shown.version:
        return f"the incident moved on from version {shown.version} to {incident.version}"
    return ""


def described(shown: IncidentRow) -> list[str]:
    """What an order is about, line by line."""
    return [
        f"incident   {shown.key}, version {shown.version}",
        f"plan       {shown.plan or 'none'}",
        f"risk       {shown.risk or 'unknown'}; reaches {', '.join(shown.blast_radius) or 'nothing'}",
        f"digest     {shown.plan_digest[:32] or 'none'}",
    ]
