"""From what the engine knows to what a screen shows (pure: time and figures come in)."""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from engine.certificate import certificate_digest, plan_digest
from engine.council import Council, Happening, Incident, IncidentStatus
from engine.council.voting import threshold_of
from engine.describe import (
    action_in_words,
    anomalies_in_words,
    happening_in_words,
    hypothesis_in_words,
    tag,
)
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
from engine.supervisor import ProcessState
from engine.telemetry.window import Window
from engine.vocabulary import AgentId, Entry, IncidentKey, Verdict, Vitals

MAX_TIMELINE = 200
MAX_LEDGER = 50
MAX_INCIDENTS = 8
"""Incidents whose timelines are kept."""
RATE_SPAN_MS = 5_000
"""Rates and shares that a screen shows are over this long."""
SILENT_AFTER_S = 3.5
"""An agent that says nothing for this long is shown as broken: it reports once a second."""
MAX_SECONDS = 120
MAX_NOTICES = 8


class ProbeLine(msgspec.Struct, frozen=True):
    """One second of the SLO probe's log, as far as a screen shows it."""

    unix_ms: int
    good: int
    bad: int
    green: bool


class EngineFigures(msgspec.Struct, frozen=True):
    """What only the engine's shell can count."""

    processes: Sequence[ProcessState]
    bus_dropped: int
    trace_dropped: int


class Projection:
    """Remembers what scrolls by, and makes a ``ScreenState`` of all of it."""

    def __init__(self, council: Council, window: Window) -> None:
        """``council`` and ``window`` are kept up to date by the engine."""
        self._council = council
        self._window = window
        self._timelines: dict[IncidentKey, deque[TimelineEntry]] = {}
        self._opened_ms: dict[IncidentKey, int] = {}
        self._closed_ms: dict[IncidentKey, int] = {}
        self._ledger: deque[LedgerRow] = deque(maxlen=MAX_LEDGER)
        self._vitals: dict[AgentId, tuple[Vitals, int]] = {}
        self._seconds: deque[ProbeLine] = deque(maxlen=MAX_SECONDS)
        self._shown: IncidentKey | None = None

    # --- what comes in --------------------------------------------------------------------------

    def ordered(
        self, entry: Entry, happenings: Iterable[Happening], chain: bytes, at_ms: int
    ) -> None:
        """An entry was verified and folded, with what followed from it."""
        said: list[str] = []
        for happening in happenings:
            if happening.operation is not None:
                note = " (ignored)" if happening.kind == "ignored" else ""
                said.append(f"{happening.author}: {tag(happening.operation)}{note}")
            self._tell(happening, at_ms)
        self._ledger.append(
            LedgerRow(entry.sequence_number, entry.view, at_ms, tuple(said[:12]), chain.hex()[:12])
        )

    def _tell(self, happening: Happening, at_ms: int) -> None:
        key = happening.incident
        if key is None or happening.kind == "ignored":
            return
        if key not in self._timelines:
            while len(self._timelines) >= MAX_INCIDENTS:
                oldest = next(iter(self._timelines))
                for kept in (self._timelines, self._opened_ms, self._closed_ms):
                    kept.pop(oldest, None)
            self._timelines[key] = deque(maxlen=MAX_TIMELINE)
            self._opened_ms[key] = at_ms
            self._shown = key
        if happening.kind == "closed":
            self._closed_ms[key] = at_ms
        self._timelines[key].append(
            TimelineEntry(
                at_ms,
                happening.sequence_number,
                happening.kind,
                "council" if happening.operation is None else happening.author,
                happening_in_words(happening),
            )
        )

    def heard(self, vitals: Vitals, at_ms: int) -> None:
        """An agent said how it is."""
        if vitals.agent in self._council.genesis.agent_keys():
            self._vitals[vitals.agent] = (vitals, at_ms)

    def probed(self, line: bytes) -> None:
        """A second of the SLO probe's log; a line that is none is passed over."""
        try:
            self._seconds.append(msgspec.json.decode(line, type=ProbeLine))
        except msgspec.DecodeError:
            return

    # --- what goes out --------------------------------------------------------------------------

    def state(self, now_ms: int, figures: EngineFigures) -> ScreenState:
        """What a screen shows at ``now_ms``."""
        incident = self._incident()
        swarm = self._swarm(now_ms, figures)
        return ScreenState(
            at_ms=now_ms,
            swarm=swarm,
            slo=self._slo(),
            incident=None if incident is None else self._incident_row(incident),
            services=self._services(now_ms),
            links=self._links(now_ms),
            agents=self._agents(now_ms, figures, incident),
            timeline=tuple(self._timelines.get(incident.key, ())) if incident else (),
            ledger=tuple(self._ledger),
            notices=self._notices(now_ms, swarm),
        )

    def _incident(self) -> Incident | None:
        """The open incident, else the last one."""
        open_ones = self._council.open_incidents
        if open_ones:
            return open_ones[0]
        return self._council.incidents.get(self._shown) if self._shown else None

    def _incident_row(self, incident: Incident) -> IncidentRow:
        attempt, live = incident.attempt, incident.attempt.live
        if live is None and incident.status.is_closed:
            chosen = [tried for tried in incident.attempts if tried.live is not None]
            attempt = chosen[-1] if chosen else attempt
            live = attempt.live
        diagnosed = incident.last_diagnosis
        plan = live.plan if live else None
        certificate = attempt.certificate
        return IncidentRow(
            key=incident.key,
            title=anomalies_in_words(incident.anomalies) or incident.subject,
            status=str(incident.status),
            version=incident.version,
            attempt=incident.attempt.number,
            opened_ms=self._opened_ms.get(incident.key, 0),
            closed_ms=self._closed_ms.get(incident.key, 0),
            hypotheses=tuple(
                hypothesis_in_words(found) for found in (diagnosed.hypotheses if diagnosed else ())
            ),
            plan=" then ".join(action_in_words(a) for a in plan.actions) if plan else "",
            plan_digest=plan_digest(plan).hex() if plan else "",
            risk=str(plan.risk) if plan else "",
            blast_radius=plan.blast_radius if plan else (),
            not_after_ms=plan.not_after_ms if plan else 0,
            needs_approval=incident.status is IncidentStatus.AWAITING_APPROVAL,
            accepts=live.count(Verdict.ACCEPT) if live else 0,
            rejects=live.count(Verdict.REJECT) if live else 0,
            threshold=threshold_of(plan.risk, self._council.genesis) if plan else 0,
            certificate=certificate_digest(certificate.body).hex() if certificate else "",
        )

    def _services(self, now_ms: int) -> dict[str, ServiceRow]:
        rows: dict[str, ServiceRow] = {}
        arriving = self._arriving(now_ms)
        for spec in self._council.manifest.service:
            status = self._window.status(spec.name)
            rate, errors, p95_ms = arriving.get(spec.name, (0.0, 0.0, 0.0))
            run = status.generation if status else None
            note = ""
            if status is not None and not status.alive:
                note = f"exited: {status.exit}" if status.exit else "gone"
            rows[spec.name] = ServiceRow(
                name=spec.name,
                health=_service_health(status is not None, bool(note), errors, rate),
                release=run.release if run else "",
                pid=run.pid if run else 0,
                rate=rate,
                errors=errors,
                p95_ms=p95_ms,
                note=note,
            )
        return rows

    def _arriving(self, now_ms: int) -> dict[str, tuple[float, float, float]]:
        """Rate, share of errors and worst p95 over all links into each service."""
        found: dict[str, tuple[float, float, float]] = {}
        for (_, callee), (rate, errors, p95_ms) in self._link_figures(now_ms).items():
            before = found.get(callee, (0.0, 0.0, 0.0))
            total = before[0] + rate
            share = (before[0] * before[1] + rate * errors) / total if total else 0.0
            found[callee] = (total, share, max(before[2], p95_ms))
        return found

    def _link_figures(self, now_ms: int) -> dict[tuple[str, str], tuple[float, float, float]]:
        figures: dict[tuple[str, str], tuple[float, float, float]] = {}
        for (caller, callee), series in self._window.links.items():
            counts = series.counts(now_ms - RATE_SPAN_MS, now_ms)
            attempts = counts.attempts
            figures[caller, callee] = (
                1000 * attempts / counts.span_ms if counts.span_ms else 0.0,
                counts.failures / attempts if attempts else 0.0,
                counts.busy_ms / counts.requests if counts.requests else 0.0,
            )
        return figures

    def _links(self, now_ms: int) -> dict[str, LinkRow]:
        return {
            f"{caller}>{callee}": LinkRow(caller, callee, *figures)
            for (caller, callee), figures in self._link_figures(now_ms).items()
        }

    def _agents(
        self, now_ms: int, figures: EngineFigures, incident: Incident | None
    ) -> dict[str, AgentRow]:
        live = incident.attempt.live if incident else None
        restarts = {process.name: process.restarts for process in figures.processes}
        view = self._view()
        rows: dict[str, AgentRow] = {}
        for place, member in enumerate(self._council.genesis.agents):
            vitals, heard_ms = self._vitals.get(member.id, (None, 0))
            age_s = (now_ms - heard_ms) / 1000 if heard_ms else 0.0
            given = live.assessments.get(member.id) if live else None
            rows[member.id] = AgentRow(
                id=member.id,
                role=str(member.role),
                health=_agent_health(vitals, age_s),
                primary=view is not None and view % self._council.genesis.n == place,
                view=vitals.view if vitals else 0,
                executed=vitals.executed if vitals else 0,
                phase=vitals.phase if vitals else "",
                vote=str(given.verdict) if given else "",
                restarts=restarts.get(member.id, 0),
                age_s=round(age_s, 1),
            )
        return rows

    def _view(self) -> int | None:
        """The view that a quorum's worth of agents has reached: the (f+1)-th highest."""
        views = sorted((vitals.view for vitals, _ in self._vitals.values()), reverse=True)
        f = self._council.genesis.f
        return views[f] if len(views) > f else None

    def _swarm(self, now_ms: int, figures: EngineFigures) -> SwarmRow:
        genesis, view = self._council.genesis, self._view()
        fresh = [
            vitals
            for vitals, at_ms in self._vitals.values()
            if now_ms - at_ms <= SILENT_AFTER_S * 1000
        ]
        missing = genesis.n - len(fresh)
        return SwarmRow(
            cluster=genesis.cluster.hex()[:12],
            epoch=genesis.epoch,
            n=genesis.n,
            f=genesis.f,
            quorum=genesis.quorum,
            view=view or 0,
            primary="" if view is None else genesis.agents[view % genesis.n].id,
            executed=self._council.sequence_number,
            budget=max(0, genesis.f - max(missing, len(self._council.convicted))),
            frozen=self._council.frozen,
            policy=self._council.rules.in_words(),
            bus_dropped=figures.bus_dropped + sum(vitals.bus_dropped for vitals in fresh),
            trace_dropped=figures.trace_dropped + sum(vitals.trace_dropped for vitals in fresh),
            ready=len(fresh) == genesis.n and all(vitals.ready for vitals in fresh),
        )

    def _slo(self) -> SloRow | None:
        if not self._seconds:
            return None
        last = self._seconds[-1]
        same = 0
        for second in reversed(self._seconds):
            if second.green is not last.green:
                break
            same += 1
        recent = list(self._seconds)[-10:]
        asked = sum(second.good + second.bad for second in recent)
        return SloRow(
            subject=self._council.manifest.objective.subject,
            green=last.green,
            held_ms=same * 1000,
            success=sum(second.good for second in recent) / asked if asked else 0.0,
            history=tuple(
                1000 * second.good // max(1, second.good + second.bad) for second in self._seconds
            ),
        )

    def _notices(self, now_ms: int, swarm: SwarmRow) -> tuple[str, ...]:
        """What a person must know now."""
        notices: list[str] = []
        if self._council.frozen:
            notices.append("frozen: nothing is automated until somebody thaws it")
        silent = [
            member.id
            for member in self._council.genesis.agents
            if member.id in self._vitals
            and now_ms - self._vitals[member.id][1] > SILENT_AFTER_S * 1000
        ]
        if len(silent) > swarm.n - swarm.quorum:
            notices.append(f"quorum lost: {', '.join(silent)} are silent; nothing can be decided")
        elif silent:
            notices.append(f"silent: {', '.join(silent)}")
        if self._vitals and self._window.is_stale(now_ms):
            notices.append("telemetry is stale: what the fleet does is not known")
        for incident in self._council.open_incidents:
            if incident.status is IncidentStatus.HANDED_OVER:
                notices.append(f"{incident.key} is handed over: a person must act")
            if incident.status is IncidentStatus.AWAITING_APPROVAL:
                notices.append(f"{incident.key} waits for an approval")
        return tuple(notices[:MAX_NOTICES])


def _service_health(known: bool, gone: bool, errors: float, rate: float) -> Health:
    if not known:
        return Health.UNKNOWN
    if gone or (errors > 0.05 and rate > 0):
        return Health.BROKEN
    return Health.WARN if errors > 0.01 else Health.OK


def _agent_health(vitals: Vitals | None, age_s: float) -> Health:
    if vitals is None:
        return Health.UNKNOWN
    if age_s > SILENT_AFTER_S:
        return Health.BROKEN
    return Health.OK if vitals.ready else Health.WARN
