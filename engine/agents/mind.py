"""What an agent does next: the duties that follow from the council's fold and its own window (pure).

The mind holds no clock: wall time and monotonic time come in with every step. What it has said is
remembered, because saying something different later would be evidence against it; the process
around it keeps that memory on disk (``Spoken``).
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from engine.agents import (
    communication,
    detection,
    diagnosis,
    prediction,
    resolution,
)
from engine.agents.hindsight import did_not_hold, spent
from engine.agents.judgement import Judgement
from engine.agents.patience import deadlines
from engine.certificate import certificate_digest, sign_body
from engine.council import Council, Incident, IncidentStatus, Proposal
from engine.council.authority import role_of
from engine.genesis import Genesis
from engine.policy import Rules
from engine.signing import Signer
from engine.telemetry.window import Window
from engine.topology import Manifest
from engine.vocabulary import (
    MAX_ITEMS,
    AgentId,
    Assessed,
    Certified,
    Corroborated,
    Diagnosed,
    Elapsed,
    IncidentKey,
    Opened,
    Operation,
    Plan,
    Proposed,
    Recovered,
    Role,
    ServiceName,
    Step,
    Verdict,
    Warned,
    Worse,
)

CONCLUSIVE_PERMILLE = ((0, 850), (1_500, 700), (3_000, 500), (5_000, 0))
"""How likely the best hypothesis must be to be told, by how long the incident has waited (ms).

The first second of an alarm often holds one scrape only, which cannot tell a crash from errors;
the next one can (of 30 live kills 27 were clear at once, three led at 608 to 715 ‰ with the wrong
kind).
"""
DEPUTY_OPENS_AFTER_MS = 3_000
"""How long an agent of another role sees an anomaly before it opens the incident itself."""
SETTLE_MS = 4_000
"""An incident that closed this recently is not opened anew by what still stands in the window."""
RESPEAK_MS = 5_000
"""A claim to open that the fold has not taken by then is made anew, with the number then due."""


class Now(msgspec.Struct, frozen=True):
    """The time, as this agent's own clocks have it."""

    unix_ms: int
    monotonic_ms: int


class Spoken(Protocol):
    """Remembers, over crashes too, what this agent has said where it must not say two things."""

    def recall(self, identity: str) -> Operation | None:
        """What was said under ``identity``."""
        ...

    def remember(self, identity: str, operation: Operation) -> None:
        """Keep ``operation``; durable when it returns."""
        ...


class Mind:
    """One agent's reasoning over its own window and the council's state."""

    def __init__(
        self,
        agent: AgentId,
        signer: Signer,
        council: Council,
        window: Window,
        spoken: Spoken,
    ) -> None:
        """Begin with nothing seen; ``council`` and ``window`` are kept up to date by the shell."""
        role = role_of(agent, council.genesis)
        assert role is not None, f"{agent} is no agent of this cluster"
        self.agent = agent
        self.role = role
        self._signer = signer
        self._council = council
        self._window = window
        self._spoken = spoken
        self._said: set[tuple[str, ...]] = set()
        self._since: dict[tuple[IncidentKey, int, str], Now] = {}
        self._uneasy_since: int | None = None
        self._opened_at = -RESPEAK_MS
        self._closed_at = -SETTLE_MS
        self._closed_seen = council.closed

    @property
    def _genesis(self) -> Genesis:
        return self._council.genesis

    @property
    def _rules(self) -> Rules:
        return self._council.rules

    @property
    def _manifest(self) -> Manifest:
        return self._council.manifest

    # --- one step -------------------------------------------------------------------------------

    def step(self, now: Now) -> list[Operation]:
        """Everything that this agent has to say now; each thing is said once."""
        if self._council.closed != self._closed_seen:
            self._closed_seen, self._closed_at = self._council.closed, now.monotonic_ms
        said: list[Operation] = list(self._watch(now))
        for incident in self._council.open_incidents:
            said += self._attend(incident, now)
        self._forget()
        return said

    def _forget(self) -> None:
        """Drop the memory of incidents that are no longer open: bounded by what is open."""
        live = {incident.key for incident in self._council.open_incidents}
        self._since = {key: since for key, since in self._since.items() if key[0] in live}
        self._said = {key for key in self._said if key[1] in live}

    def _once(self, *identity: str) -> bool:
        if identity in self._said:
            return False
        self._said.add(identity)
        return True

    def _waited_ms(self, incident: Incident, now: Now) -> int:
        """How long, by this agent's clock, the incident has been where it is."""
        since = self._entered(incident, now)
        return now.monotonic_ms - since.monotonic_ms

    def _entered(self, incident: Incident, now: Now) -> Now:
        key = (incident.key, incident.attempt.number, str(incident.status))
        return self._since.setdefault(key, now)

    # --- watching -------------------------------------------------------------------------------

    def _watch(self, now: Now) -> Iterator[Operation]:
        """Open an incident when something is wrong, or is foreseen, and none is open."""
        yield from self._warn(now)
        if self._council.open_incidents:
            self._uneasy_since = None
            return
        anomalies = detection.anomalies(self._window, self._manifest, now.unix_ms)
        subject = detection.alarmed(anomalies, self._manifest) or self._foretold(now)
        if subject is None:
            self._uneasy_since = None
            return
        if self._uneasy_since is None:
            self._uneasy_since = now.monotonic_ms
        patience = 0 if self.role is Role.DETECTION else DEPUTY_OPENS_AFTER_MS
        settled = now.monotonic_ms - self._closed_at >= SETTLE_MS
        quiet = now.monotonic_ms - self._opened_at >= RESPEAK_MS
        if settled and quiet and now.monotonic_ms - self._uneasy_since >= patience:
            self._opened_at = now.monotonic_ms
            yield Opened(self._council.next_key(subject), anomalies[:MAX_ITEMS])

    def _warn(self, now: Now) -> Iterator[Operation]:
        """Tell the council what this agent's own forecasts say, once for each number."""
        for forecast in prediction.forecasts(self._window, now.unix_ms):
            service = forecast.signal.service
            if any(incident.subject == service for incident in self._council.open_incidents):
                continue
            key = self._council.next_key(service)
            warned = self.agent in self._council.warnings.get(key, {})
            if not warned and self._once("warned", key):
                yield Warned(
                    key,
                    forecast.signal,
                    forecast.crosses_at_ms,
                    forecast.earliest_ms,
                    forecast.latest_ms,
                )

    def _foretold(self, now: Now) -> ServiceName | None:
        """A service that f+1 agents have warned of, this one among them, and that is near its limit."""
        for forecast in prediction.forecasts(self._window, now.unix_ms):
            service = forecast.signal.service
            voices = self._council.warnings.get(self._council.next_key(service), {})
            near = forecast.crosses_at_ms - now.unix_ms <= prediction.HORIZON_MS
            if near and len(voices) > self._genesis.f and self.agent in voices:
                return service
        return None

    # --- attending an open incident -------------------------------------------------------------

    def _attend(self, incident: Incident, now: Now) -> Iterator[Operation]:
        self._entered(incident, now)
        yield from self._corroborate(incident, now)
        match incident.status:
            case IncidentStatus.OPEN | IncidentStatus.DIAGNOSED:
                yield from self._diagnose(incident, now)
                yield from self._propose(incident, now)
            case IncidentStatus.PROPOSED | IncidentStatus.AWAITING_APPROVAL:
                yield from self._assess_all(incident, now)
            case IncidentStatus.DECIDED:
                yield from self._certify(incident, now)
            case IncidentStatus.ACTED:
                yield from self._judge_worse(incident, now)
            case _:
                pass
        yield from self._judge_recovered(incident, now)
        yield from self._elapse(incident, now)

    def _corroborate(self, incident: Incident, now: Now) -> Iterator[Operation]:
        waiting = {IncidentStatus.CLAIMED, IncidentStatus.OPEN}
        if self.agent in incident.witnesses or incident.status not in waiting:
            return
        anomalies = detection.anomalies(self._window, self._manifest, now.unix_ms)
        if anomalies and self._once("corroborated", incident.key):
            yield Corroborated(incident.key, anomalies[:MAX_ITEMS])

    def _is_my_turn(self, incident: Incident, role: Role, step: Step) -> bool:
        if self.role is role:
            return True
        return len(incident.attempt.elapsed.get(step, ())) > self._genesis.f

    def _diagnose(self, incident: Incident, now: Now) -> Iterator[Operation]:
        if not self._is_my_turn(incident, Role.DIAGNOSIS, Step.DIAGNOSE):
            return
        if self.agent in incident.attempt.diagnoses:
            return
        found = diagnosis.rank(self._window, self._manifest, now.unix_ms)
        best = found.hypotheses[0].probability_permille if found.hypotheses else 0
        waited_ms = self._waited_ms(incident, now)
        wanted = min(wanted for since_ms, wanted in CONCLUSIVE_PERMILLE if waited_ms >= since_ms)
        if best < wanted:
            return
        if self._once("diagnosed", incident.key, str(incident.attempt.number)):
            yield Diagnosed(
                incident.key, incident.attempt.number, found.hypotheses, found.ruled_out
            )

    def _propose(self, incident: Incident, now: Now) -> Iterator[Operation]:
        if not self._is_my_turn(incident, Role.RESOLUTION, Step.PROPOSE):
            return
        diagnosed = incident.attempt.diagnoses.values()
        hypotheses = next((d.hypotheses for d in reversed(list(diagnosed)) if d.hypotheses), ())
        if not hypotheses:
            return
        plan = resolution.plan(
            hypotheses,
            self._window,
            self._manifest,
            now.unix_ms,
            now.unix_ms,
            spent(incident, self._window),
        )
        if plan is not None and self._once("proposed", incident.key, str(incident.attempt.number)):
            # A margin below what signers accept: their clocks may be behind ours.
            not_after_ms = now.unix_ms + self._span_ms(plan) * 9 // 10
            lasting = msgspec.structs.replace(plan, not_after_ms=not_after_ms)
            yield Proposed(incident.key, incident.attempt.number, lasting)

    def _span_ms(self, plan: Plan) -> int:
        """How far ahead of now a plan of this risk may end, by the policy for that risk."""
        return self._rules.spans.of(self._rules.automation.mode(plan.risk))

    def _is_timely(self, plan: Plan, now: Now) -> bool:
        """Whether a plan ends neither before now nor later than policy lets it."""
        return now.unix_ms < plan.not_after_ms <= now.unix_ms + self._span_ms(plan)

    # --- judging --------------------------------------------------------------------------------

    def _assess_all(self, incident: Incident, now: Now) -> Iterator[Operation]:
        for proposal in list(incident.attempt.proposals.values()):
            if self.agent in proposal.assessments or proposal.refused:
                continue
            identity = f"assessed/{proposal.digest.hex()}"
            before = self._spoken.recall(identity)
            given = before or self._assess(incident, proposal, now)
            if given is None or not self._once("assessed", incident.key, proposal.digest.hex()):
                continue
            if before is None:
                self._spoken.remember(identity, given)
            yield given

    def _assess(self, incident: Incident, proposal: Proposal, now: Now) -> Operation | None:
        if not self._is_timely(proposal.plan, now):
            return Assessed(incident.key, proposal.digest, Verdict.REJECT, 0)
        judgement = self._judge(proposal, now)
        patient = self._waited_ms(incident, now) < self._rules.patience.assess_ms // 2
        if judgement.verdict is Verdict.ABSTAIN and patient:
            return None
        return Assessed(
            incident.key,
            proposal.digest,
            judgement.verdict,
            judgement.score_permille,
            judgement.evidence,
        )

    def _judge(self, proposal: Proposal, now: Now) -> Judgement:
        """This role's own check of a plan: five methods, none a copy of another's answer."""
        brain = {
            Role.DETECTION: detection.assess,
            Role.DIAGNOSIS: diagnosis.assess,
            Role.PREDICTION: prediction.assess,
            Role.RESOLUTION: resolution.assess,
            Role.COMMUNICATION: communication.assess,
        }[self.role]
        return brain(self._window, self._manifest, proposal.plan, now.unix_ms)

    def _certify(self, incident: Incident, now: Now) -> Iterator[Operation]:
        attempt = incident.attempt
        body, chosen = attempt.body, attempt.live
        if body is None or chosen is None or self.agent in attempt.signatures:
            return
        if self._council.frozen or not self._is_timely(chosen.plan, now):
            return
        if self._once("certified", incident.key, str(attempt.number)):
            digest = certificate_digest(body)
            signature = sign_body(body, self._signer)
            yield Certified(incident.key, chosen.digest, digest, signature)

    # --- verifying ------------------------------------------------------------------------------

    def _judge_recovered(self, incident: Incident, now: Now) -> Iterator[Operation]:
        underway = {IncidentStatus.DECIDED, IncidentStatus.CERTIFIED, IncidentStatus.UNDOING}
        attempt = incident.attempt
        if incident.status in underway or self.agent in attempt.recovered:
            return
        ahead = prediction.forecasts(self._window, now.unix_ms)
        if any(forecast.signal.service == incident.subject for forecast in ahead):
            # It hurts nobody yet; that is no recovery.
            return
        since = self._entered(incident, now)
        if detection.recovered(
            self._window, self._manifest, since.unix_ms, now.unix_ms
        ) and self._once("recovered", incident.key, str(attempt.number), str(incident.status)):
            yield Recovered(incident.key, attempt.number)

    def _judge_worse(self, incident: Incident, now: Now) -> Iterator[Operation]:
        attempt = incident.attempt
        if self.agent in attempt.undo_orders:
            return
        acted = self._entered(incident, now)
        opened = min(
            (since.unix_ms for key, since in self._since.items() if key[0] == incident.key),
            default=acted.unix_ms,
        )
        # What was foreseen may have begun to hurt before it was acted on: that is not the action's.
        looks_worse = all(
            detection.worse(self._window, self._manifest, before_ms, acted.unix_ms, now.unix_ms)
            for before_ms in (opened, acted.unix_ms)
        )
        # Without an undo to fire, this ends an attempt whose repair did not hold at once.
        undoes = attempt.live is not None and bool(attempt.live.plan.undo)
        failed = not undoes and did_not_hold(attempt, self._window)
        if (looks_worse or failed) and self._once("worse", incident.key, str(attempt.number)):
            yield Worse(incident.key, attempt.number)

    # --- time -----------------------------------------------------------------------------------

    def _elapse(self, incident: Incident, now: Now) -> Iterator[Operation]:
        """Say which steps have had their time, by this agent's own monotonic clock."""
        attempt, waited_ms = incident.attempt, self._waited_ms(incident, now)
        entered_ms = self._entered(incident, now).unix_ms
        for step, after_ms in deadlines(incident, self._rules.patience, entered_ms):
            voices = attempt.elapsed.get(step, ())
            if waited_ms < after_ms or self.agent in voices:
                continue
            if self._once("elapsed", incident.key, str(attempt.number), str(step)):
                yield Elapsed(incident.key, attempt.number, step)
