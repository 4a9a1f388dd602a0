"""One incident of the shop as screens see it: payments dies, the swarm restarts it, all is well.

Built from values alone, frame after frame, the way an engine publishes it.
"""

from msgspec.structs import replace

from engine.stream.state import (
    AgentRow,
    Health,
    IncidentRow,
    LedgerRow,
    LinkRow,
    ScreenState,
    ServiceRow,
    SloRow,
    SwarmRow,
    TimelineEntry,
)

START_MS = 1_790_000_000_000
KEY = "shop/checkout#1"
PLAN = "7f3a91c2" * 8
CERTIFICATE = "5be1d04a" * 8
AGENTS = {
    "detection-1": "detection",
    "diagnosis-1": "diagnosis",
    "prediction-1": "prediction",
    "resolution-1": "resolution",
    "communication-1": "communication",
}
DIAGNOSIS = (
    "payments crash 0.97 (liveness of payments +4.2, errors orders>payments +3.1), "
    "orders errors 0.02, postgres slow 0.01; ruled out: gateway crash"
)
CALLS = (
    ("customers", "gateway"),
    ("gateway", "catalog"),
    ("gateway", "cart"),
    ("gateway", "orders"),
    ("orders", "inventory"),
    ("orders", "payments"),
    ("catalog", "postgres"),
    ("orders", "postgres"),
    ("inventory", "postgres"),
    ("payments", "postgres"),
    ("cart", "redis"),
)
RATES = {
    "gateway": 41.0,
    "catalog": 20.2,
    "cart": 11.4,
    "orders": 9.4,
    "payments": 4.7,
    "inventory": 9.3,
    "postgres": 61.0,
    "redis": 11.4,
}


def calm(at_ms: int = START_MS) -> ScreenState:
    """A healthy shop and a swarm that is ready."""
    services = {
        name: ServiceRow(name, Health.OK, "1.0.0", 4100 + place, rate, 0.0, 3.0 + 2 * place)
        for place, (name, rate) in enumerate(RATES.items())
    }
    links = {
        f"{caller}>{callee}": LinkRow(caller, callee, RATES[callee] / 2, 0.0, 4.0)
        for caller, callee in CALLS
    }
    agents = {
        name: AgentRow(name, role, Health.OK, name == "resolution-1", 3, 112, "idle", "", 0, 0.2)
        for name, role in AGENTS.items()
    }
    swarm = SwarmRow(
        cluster="9c41aa07be12",
        epoch=1,
        n=5,
        f=1,
        quorum=4,
        view=3,
        primary="resolution-1",
        executed=112,
        budget=1,
        frozen=False,
        policy="low auto, medium ask, high ask",
        bus_dropped=0,
        trace_dropped=0,
        ready=True,
    )
    return ScreenState(
        at_ms=at_ms,
        swarm=swarm,
        slo=SloRow("checkout", True, 92_000, 1.0, (1000,) * 120),
        services=services,
        links=links,
        agents=agents,
        ledger=tuple(_batch(number, at_ms - 3000) for number in range(106, 113)),
    )


def failing(state: ScreenState) -> ScreenState:
    """Payments is gone, and whoever calls it suffers."""
    services = dict(state.services)
    services["payments"] = replace(
        services["payments"],
        health=Health.BROKEN,
        rate=4.6,
        errors=1.0,
        p95_ms=1.0,
        note="exited: signal 9",
    )
    services["orders"] = replace(services["orders"], health=Health.BROKEN, errors=0.49, p95_ms=31.0)
    services["gateway"] = replace(services["gateway"], health=Health.WARN, errors=0.12, p95_ms=40.0)
    links = dict(state.links)
    links["orders>payments"] = replace(links["orders>payments"], errors=1.0)
    links["gateway>orders"] = replace(links["gateway>orders"], errors=0.49)
    links["customers>gateway"] = replace(links["customers>gateway"], errors=0.12)
    slo = SloRow("checkout", False, 2000, 0.62, (1000,) * 114 + (980, 710, 640, 600, 610, 620))
    return replace(state, at_ms=state.at_ms + 2000, services=services, links=links, slo=slo)


def opened(state: ScreenState) -> ScreenState:
    """Detection says so."""
    return _step(
        replace(state, incident=_incident(state.at_ms + 400)),
        ("opened", "detection-1", "checkout fails: orders errors 49 % (habit 0 %), 3 signals"),
    )


def corroborated(state: ScreenState) -> ScreenState:
    """Enough others see it too."""
    assert state.incident is not None
    return _step(
        replace(state, incident=replace(state.incident, status="open", version=2)),
        ("corroborated", "diagnosis-1", "sees it too: orders errors 47 %"),
        ("corroborated", "prediction-1", "sees it too: gateway errors 12 %"),
    )


def diagnosed(state: ScreenState) -> ScreenState:
    """A ranking of causes."""
    assert state.incident is not None
    incident = replace(
        state.incident,
        status="diagnosed",
        title="payments crash",
        version=3,
        hypotheses=("payments crash 0.97", "orders errors 0.02", "postgres slow 0.01"),
    )
    return _step(
        replace(state, incident=incident),
        (
            "diagnosed",
            "diagnosis-1",
            DIAGNOSIS,
        ),
    )


def proposed(state: ScreenState, *, ask: bool = False) -> ScreenState:
    """A plan is before the council."""
    assert state.incident is not None
    incident = replace(
        state.incident,
        status="proposed",
        version=4,
        plan="restart payments (pid 4104, release 1.0.0)",
        plan_digest=PLAN,
        risk="low",
        blast_radius=("payments", "orders", "gateway"),
        not_after_ms=state.at_ms + 60_000,
        needs_approval=ask,
    )
    return _step(
        replace(state, incident=incident),
        ("proposed", "resolution-1", "restart payments, low risk, undo none, reaches 3 services"),
    )


def assessed(state: ScreenState, agent: str, verdict: str, reason: str) -> ScreenState:
    """One agent has judged."""
    assert state.incident is not None
    agents = dict(state.agents)
    agents[agent] = replace(agents[agent], vote=verdict, phase="committed")
    incident = replace(
        state.incident,
        accepts=state.incident.accepts + (verdict == "accept"),
        rejects=state.incident.rejects + (verdict == "reject"),
        version=state.incident.version + 1,
    )
    return _step(
        replace(state, agents=agents, incident=incident),
        ("assessed", agent, f"{verdict}: {reason}"),
    )


def decided(state: ScreenState) -> ScreenState:
    """The council has concluded."""
    assert state.incident is not None
    incident = replace(state.incident, status="decided", version=state.incident.version + 1)
    return _step(
        replace(state, incident=incident), ("decided", "council", "accepted, 4 of 5 (3 needed)")
    )


def certified(state: ScreenState) -> ScreenState:
    """A quorum has signed."""
    assert state.incident is not None
    incident = replace(
        state.incident,
        status="certified",
        certificate=CERTIFICATE,
        version=state.incident.version + 1,
    )
    return _step(
        replace(state, incident=incident),
        ("certificate", "council", "5be1d04a5be1 signed by 4 of 5"),
    )


def acted(state: ScreenState) -> ScreenState:
    """The actuator has done it."""
    assert state.incident is not None
    incident = replace(state.incident, status="acted", version=state.incident.version + 1)
    return _step(
        replace(state, incident=incident), ("acted", "actuator", "step 0 done, now pid 4242")
    )


def healed(state: ScreenState) -> ScreenState:
    """The fleet is well again."""
    services = dict(state.services)
    services["payments"] = replace(
        services["payments"], health=Health.OK, errors=0.0, p95_ms=11.0, pid=4242, note=""
    )
    services["orders"] = replace(services["orders"], health=Health.OK, errors=0.0, p95_ms=9.0)
    services["gateway"] = replace(services["gateway"], health=Health.OK, errors=0.0, p95_ms=3.0)
    links = {
        key: replace(link, errors=0.0) if link.errors else link for key, link in state.links.items()
    }
    return replace(state, at_ms=state.at_ms + 1000, services=services, links=links)


def recovered(state: ScreenState) -> ScreenState:
    """Green again, for as long as it takes."""
    assert state.incident is not None
    assert state.slo is not None
    at_ms = state.at_ms + 6000
    incident = replace(
        state.incident,
        status="recovered",
        closed_ms=at_ms + 400,
        version=state.incident.version + 1,
    )
    history = (
        *state.slo.history[12:],
        600,
        610,
        600,
        700,
        900,
        1000,
        1000,
        1000,
        1000,
        1000,
        1000,
        1000,
    )
    slo = SloRow("checkout", True, 7000, 1.0, history)
    return _step(
        replace(state, at_ms=at_ms, incident=incident, slo=slo),
        ("recovered", "detection-1", "attempt 1: its window is back to habit"),
        ("recovered", "diagnosis-1", "attempt 1: its window is back to habit"),
        ("recovered", "prediction-1", "attempt 1: its window is back to habit"),
        ("closed", "council", "recovered"),
    )


def story() -> list[ScreenState]:
    """All of it, in order."""
    frames = [calm()]
    for step in (failing, opened, corroborated, diagnosed, proposed):
        frames.append(step(frames[-1]))
    for agent, verdict, reason in (
        ("detection-1", "accept", "orders errors 51 % in its window (habit 0 %)"),
        ("diagnosis-1", "accept", "its ranking names payments"),
        ("prediction-1", "abstain", "no forecast for payments"),
        ("resolution-1", "accept", "its own plan"),
        ("communication-1", "accept", "the log says: connection refused by payments"),
    ):
        frames.append(assessed(frames[-1], agent, verdict, reason))
    for step in (decided, certified, acted, healed, recovered):
        frames.append(step(frames[-1]))
    return frames


def _incident(at_ms: int) -> IncidentRow:
    return IncidentRow(
        key=KEY,
        title="checkout fails",
        status="claimed",
        version=1,
        attempt=1,
        opened_ms=at_ms,
        closed_ms=0,
        hypotheses=(),
        plan="",
        plan_digest="",
        risk="",
        blast_radius=(),
        not_after_ms=0,
        needs_approval=False,
        accepts=0,
        rejects=0,
        threshold=3,
        certificate="",
    )


def _batch(number: int, at_ms: int, *operations: str) -> LedgerRow:
    return LedgerRow(number, 3, at_ms, operations or ("slo-probe: probed",), f"{number:012x}")


def _step(state: ScreenState, *entries: tuple[str, str, str]) -> ScreenState:
    """``state`` 400 ms later, with ``entries`` on its timeline and in one batch of the ledger."""
    assert state.swarm is not None
    at_ms = state.at_ms + 400
    number = state.swarm.executed + 1
    rows = tuple(TimelineEntry(at_ms, number, kind, who, text) for kind, who, text in entries)
    batch = _batch(number, at_ms, *(f"{who}: {kind}" for kind, who, _ in entries))
    return replace(
        state,
        at_ms=at_ms,
        swarm=replace(state.swarm, executed=number),
        agents={key: replace(row, executed=number) for key, row in state.agents.items()},
        timeline=(*state.timeline, *rows),
        ledger=(*state.ledger, batch)[-50:],
    )
