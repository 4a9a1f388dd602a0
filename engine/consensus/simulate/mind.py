"""A simulated agent's part in an incident: it opens, sees, proposes, assesses, certifies, waits.

Much simpler than a real mind, and through the same law: everything goes through the log, each
identity is spoken under once, and time enters as ``Elapsed`` from the agent's own clock.
"""

from collections.abc import Iterator

from engine.certificate import certificate_digest, sign_body
from engine.consensus.simulate.fleet import ANOMALY, SUSPECT, Fleet
from engine.consensus.simulate.members import FRONT, HashSigner
from engine.council import Council, Incident, IncidentStatus
from engine.council.authority import role_of
from engine.council.elapsing import AWAITED_IN
from engine.vocabulary import (
    AgentId,
    Assessed,
    Certified,
    Corroborated,
    Diagnosed,
    Elapsed,
    Opened,
    Operation,
    Proposed,
    Recovered,
    RestartService,
    Role,
    Step,
    Verdict,
)

DEPUTY_MS = 1_000
"""How long an agent of another role waits before it opens what nobody opened."""
PATIENCE_MS = 1_200
"""How long each step may take by an agent's own clock."""
_LATER = {Step.PROPOSE: 2, Step.PLAN: 4}
"""Steps that are awaited behind another one, by how many times the patience."""


class Mind:
    """What one agent has said; it survives the machine's crashes, as a real one's memory does."""

    def __init__(self, agent: AgentId, signer: HashSigner) -> None:
        self.agent = agent
        self._signer = signer
        self._said: set[tuple[object, ...]] = set()
        self._since: dict[tuple[object, ...], int] = {}

    def speak(self, council: Council, fleet: Fleet, now_ms: int) -> list[Operation]:
        """What it has to say now that it has not said yet."""
        if fleet.broken_since_ms is None and not council.open_incidents:
            return []
        found = list(self._open(council, fleet, now_ms))
        for incident in council.open_incidents:
            found += self._take_part(council, incident, fleet, now_ms)
        return found

    def _once(self, *identity: object) -> bool:
        if identity in self._said:
            return False
        self._said.add(identity)
        return True

    def _open(self, council: Council, fleet: Fleet, now_ms: int) -> Iterator[Operation]:
        since = fleet.broken_since_ms
        if since is None or council.open_incidents:
            return
        own = role_of(self.agent, council.genesis) is Role.DETECTION
        key = council.next_key(FRONT)
        if (own or now_ms - since >= DEPUTY_MS) and self._once("opened", key):
            yield Opened(key, (ANOMALY,))

    def _take_part(
        self, council: Council, incident: Incident, fleet: Fleet, now_ms: int
    ) -> Iterator[Operation]:
        key, attempt = incident.key, incident.attempt.number
        broken = fleet.broken_since_ms is not None
        match incident.status:
            case IncidentStatus.CLAIMED if broken and self.agent not in incident.witnesses:
                if self._once("seen", key):
                    yield Corroborated(key, (ANOMALY,))
            case IncidentStatus.OPEN if self._may(council, incident, Step.DIAGNOSE):
                if self._once("diagnosed", key, attempt):
                    yield Diagnosed(key, attempt, (SUSPECT,) if broken else ())
            case IncidentStatus.DIAGNOSED if self._may(council, incident, Step.PROPOSE):
                if self._once("proposed", key, attempt):
                    yield Proposed(key, attempt, fleet.repair(now_ms))
            case IncidentStatus.PROPOSED:
                yield from self._assess(incident, fleet)
            case IncidentStatus.DECIDED:
                yield from self._certify(incident)
            case _:
                pass
        over = not broken and incident.status in (IncidentStatus.ACTED, IncidentStatus.OPEN)
        if over and self._once("recovered", key, attempt, incident.status):
            yield Recovered(key, attempt)
        yield from self._wait(incident, now_ms)

    def _may(self, council: Council, incident: Incident, step: Step) -> bool:
        duty = Role.DIAGNOSIS if step is Step.DIAGNOSE else Role.RESOLUTION
        if role_of(self.agent, council.genesis) is duty:
            return True
        return council.says_enough(incident.attempt.elapsed.get(step, ()))

    def _assess(self, incident: Incident, fleet: Fleet) -> Iterator[Operation]:
        for proposal in incident.attempt.proposals.values():
            if proposal.refused or not self._once("assessed", proposal.digest):
                continue
            current = any(
                isinstance(action, RestartService) and action.generation == fleet.generation
                for action in proposal.plan.actions
            )
            accept = current and fleet.broken_since_ms is not None
            verdict = Verdict.ACCEPT if accept else Verdict.REJECT
            yield Assessed(incident.key, proposal.digest, verdict, 800 if accept else 100)

    def _certify(self, incident: Incident) -> Iterator[Operation]:
        attempt = incident.attempt
        if attempt.body is None or attempt.chosen is None:
            return
        name = certificate_digest(attempt.body)
        if self._once("certified", name):
            signature = sign_body(attempt.body, self._signer)
            yield Certified(incident.key, attempt.chosen, name, signature)

    def _wait(self, incident: Incident, now_ms: int) -> Iterator[Operation]:
        place = (incident.key, incident.attempt.number, incident.status)
        waited = now_ms - self._since.setdefault(place, now_ms)
        if waited < PATIENCE_MS:
            return
        for step, statuses in AWAITED_IN.items():
            if incident.status not in statuses or step is Step.ACT:
                continue  # The actuator's time ends with the plan's, long after the storm.
            due = waited >= PATIENCE_MS * _LATER.get(step, 1)
            if due and self._once("elapsed", *place[:2], step):
                yield Elapsed(incident.key, incident.attempt.number, step)
