"""The agents: who leads, where each replica is, who said what."""

from controlroom.console.draw.text import (
    Column,
    Line,
    Role,
    Span,
    clean,
    fitting,
    head_line,
    health_span,
    table_line,
)
from engine.stream.state import AgentRow, Health, ScreenState

CROWN = "♛"
_VOTES = {
    "accept": Span("✓ accept", Role.OK),
    "reject": Span("✗ reject", Role.BROKEN),
    "abstain": Span("– abstain", Role.DIM),
}
_COLUMNS = (
    Column("health", 9, 7),
    Column("vote", 9, 8),
    Column("replica", 12, 5),
    Column("log", 6, 4, right=True),
    Column("restarts", 8, 1, right=True),
    Column("heard", 6, 2, right=True),
)
SILENT_S = 3.0


def council_lines(state: ScreenState, width: int) -> tuple[Line, list[Line]]:
    """The head and one line an agent."""
    longest = max((len(agent) for agent in state.agents), default=9)
    columns = fitting((Column("agent", min(24, longest + 2), 9), *_COLUMNS), width)
    asked = state.incident is not None and bool(state.incident.plan) and not _settled(state)
    lines = [
        table_line(agent.id, _cells(agent, asked=asked), columns, width)
        for agent in state.agents.values()
    ]
    return head_line(columns, width), lines


def swarm_summary(state: ScreenState) -> str:
    """How many votes decide, and how many may still lie or fail."""
    swarm = state.swarm
    if swarm is None:
        return "no swarm yet"
    lost = swarm.bus_dropped + swarm.trace_dropped
    dropped = f" · {lost} dropped" if lost else ""
    return f"quorum {swarm.quorum} of {swarm.n} · view {swarm.view} · log {swarm.executed}{dropped}"


def ready_agents(state: ScreenState) -> int:
    """Agents that are well."""
    return sum(agent.health is Health.OK for agent in state.agents.values())


def _settled(state: ScreenState) -> bool:
    return state.incident is not None and bool(
        state.incident.certificate or state.incident.closed_ms
    )


def _cells(agent: AgentRow, *, asked: bool) -> dict[str, Span]:
    waiting = Span("… asked" if asked else "", Role.DIM)
    return {
        "agent": Span(
            f"{CROWN if agent.primary else ' '} {clean(agent.id)}",
            Role.STRONG if agent.primary else Role.PLAIN,
        ),
        "health": health_span(agent.health),
        "vote": _VOTES.get(agent.vote, waiting),
        "replica": Span(
            clean(agent.phase), Role.WARN if agent.phase == "view-change" else Role.PLAIN
        ),
        "log": Span(str(agent.executed)),
        "restarts": Span(
            str(agent.restarts) if agent.restarts else "·",
            Role.WARN if agent.restarts else Role.DIM,
        ),
        "heard": _heard(agent.age_s),
    }


def _heard(age_s: float) -> Span:
    # Below the alarm one word stands for every age, so that nothing flickers while all is well.
    return Span(f"{age_s:.0f} s", Role.WARN) if age_s >= SILENT_S else Span("now", Role.DIM)
