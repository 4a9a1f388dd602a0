"""Everything that a screen shows, put together (pure: time is handed in)."""

from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from engine.council import Council, Happening
from engine.handover import violated
from engine.projection.fleet import link_rows, service_rows
from engine.projection.incident import incident_row, incident_to_show, proposal_to_show
from engine.projection.probe import ProbeHistory
from engine.projection.story import Story
from engine.projection.swarm import Heard, Process, agent_rows, swarm_row
from engine.stream.state import LinkRow, ScreenState, ServiceRow, SwarmRow
from engine.stream.wire import Event
from engine.telemetry.window import Window
from engine.vocabulary import AgentId, Entry, Vitals
from engine.wording import signal_in_words

FLEET_EVERY_MS = 500
"""Telemetry comes once a second: drawing it anew more often shows nothing new."""
MAX_NOTICES = 8
LOST_MS = 5_000
"""A quorum is called lost when it has been unwell for so long."""


class Supervised(Protocol):
    """What is asked of a supervisor's word on one process."""

    @property
    def name(self) -> str:
        """An agent's id, for an agent."""
        ...

    @property
    def pid(self) -> int:
        """0 while it is down."""
        ...

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        ...

    @property
    def started_ms(self) -> int:
        """Unix milliseconds of its newest start."""
        ...


class Counting(Protocol):
    """What is asked of the trace."""

    dropped: int


class Projection:
    """Follows the log, the probe and the agents' vitals, and makes states of them."""

    def __init__(self, council: Council, window: Window) -> None:
        """Show ``council`` as it folds, and the fleet as ``window`` sees it."""
        self._council = council
        self._window = window
        self._story = Story(council)
        self._probe = ProbeHistory(council.manifest.objective)
        self._heard: dict[AgentId, Heard] = {}
        self._agents = frozenset(member.id for member in council.genesis.agents)
        self._fleet: tuple[int, dict[str, ServiceRow], dict[str, LinkRow]] | None = None
        self._ready_ms: int | None = None
        """When a quorum was well last; none before the first time."""

    # --- what comes in --------------------------------------------------------------------------

    def ordered(self, entry: Entry, happenings: Sequence[Happening], received_ms: int) -> None:
        """The council has applied the next entry, and this is what it made of it."""
        self._story.ordered(entry, happenings, received_ms)

    def probed(self, line: bytes) -> None:
        """The SLO probe has written a line into its log."""
        self._probe.add(line)

    def heard(self, vitals: Vitals, now_ms: int) -> None:
        """An agent has said how it is; who is no member is not listened to."""
        if vitals.agent in self._agents:
            self._heard[vitals.agent] = Heard(vitals, now_ms)

    def news(self) -> list[Event]:
        """Every timeline entry and batch since the last time, oldest first."""
        news = list(self._story.news)
        self._story.news.clear()
        return news

    # --- what goes out --------------------------------------------------------------------------

    def state(
        self,
        now_ms: int,
        *,
        processes: Sequence[Supervised] = (),
        trace: Counting | None = None,
        bus_dropped: int = 0,
        notices: Sequence[str] = (),
    ) -> ScreenState:
        """What screens shall show now."""
        council, story = self._council, self._story
        incident = incident_to_show(council, story, now_ms)
        proposal = proposal_to_show(incident, council) if incident is not None else None
        running = {it.name: Process(it.pid, it.restarts, it.started_ms) for it in processes}
        agents = agent_rows(council, self._heard, running, proposal, now_ms)
        swarm = swarm_row(
            council,
            self._heard,
            agents.values(),
            bus_dropped=bus_dropped,
            trace_dropped=trace.dropped if trace is not None else 0,
        )
        swarm = self._damped(swarm, now_ms)
        services, links = self._fleet_rows(now_ms)
        return ScreenState(
            at_ms=now_ms,
            swarm=swarm,
            slo=self._probe.row(),
            incident=incident_row(incident, proposal, council, story)
            if incident is not None
            else None,
            services=services,
            links=links,
            agents=agents,
            timeline=story.timeline(incident.key) if incident is not None else (),
            ledger=story.ledger(),
            notices=(*notices, *self._notices(swarm, now_ms))[:MAX_NOTICES],
        )

    def _fleet_rows(self, now_ms: int) -> tuple[dict[str, ServiceRow], dict[str, LinkRow]]:
        if self._fleet is None or not 0 <= now_ms - self._fleet[0] < FLEET_EVERY_MS:
            self._fleet = (
                now_ms,
                service_rows(self._window, now_ms),
                link_rows(self._window, now_ms),
            )
        return self._fleet[1], self._fleet[2]

    def _damped(self, swarm: SwarmRow, now_ms: int) -> SwarmRow:
        """A quorum that is unwell for a moment, as in a view change, is not lost yet."""
        if swarm.ready:
            self._ready_ms = now_ms
        elif self._ready_ms is not None and now_ms - self._ready_ms < LOST_MS:
            return replace(swarm, ready=True)
        return swarm

    def _notices(self, swarm: SwarmRow, now_ms: int) -> tuple[str, ...]:
        """What a person must know; a swarm that has never been ready is starting, not lost."""
        notices = []
        if self._ready_ms is not None and not swarm.ready:
            notices.append(f"quorum lost: fewer than {swarm.quorum} of {swarm.n} agents are well")
        if self._window.watched_ms(now_ms) and self._window.is_stale(now_ms):
            notices.append("the engine's telemetry is stale")
        if self._probe.is_silent(now_ms):
            notices.append("the SLO probe is silent")
        if burning := self._probe.burning():
            notices.append(burning)
        notices += [f"{alarm.why}; people must look" for alarm in violated(self._council)]
        notices += [f"{agent} is convicted" for agent in sorted(self._council.proven)]
        notices += self._forecasts()
        return tuple(notices)

    def _forecasts(self) -> list[str]:
        warned = {
            signal_in_words(warning.signal): warning.crosses_at_ms
            for warnings in self._council.warnings.values()
            for warning in warnings.values()
        }
        return [f"forecast: {signal} will cross its limit" for signal in sorted(warned)]
