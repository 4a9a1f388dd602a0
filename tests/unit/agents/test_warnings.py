"""Warnings: what several agents foresee is mended before anybody notices; what one says is not."""

import pytest

from engine.agents.mind import Mind, Now
from engine.certificate import certificate_digest
from engine.council import IncidentStatus
from engine.genesis import ACTUATOR
from engine.policy import DRILL_RULES, Automation, Rules
from engine.telemetry.window import Window
from engine.vocabulary import (
    Acted,
    AgentId,
    Certified,
    FaultKind,
    Operation,
    OutcomeKind,
    Policy,
    RollBack,
    ServiceName,
    Signal,
    SignalKind,
    Warned,
    Worse,
)
from tests.court import AGENTS, MANIFEST, PREDICTION, Court, signer_of
from tests.shop_stream import MOST_FILES, Harm, ShopStream
from tests.unit.agents.test_mind import Memory

CATALOG = ServiceName("catalog")
FILES = Signal(CATALOG, SignalKind.FILES)


class Swarm:
    """Five minds with windows of their own over one leaking shop."""

    def __init__(self, rules: Rules = DRILL_RULES) -> None:
        self.court = Court(rules)
        self.stream = ShopStream(seed=3, manifest=MANIFEST)
        self.windows = {agent: Window(MANIFEST) for agent in AGENTS}
        self.minds = {agent: self._mind(agent) for agent in AGENTS}
        self.said: list[tuple[AgentId, Operation]] = []

    def _mind(self, agent: AgentId) -> Mind:
        return Mind(agent, signer_of(agent), self.court.council, self.windows[agent], Memory())

    def live(self, seconds: int, thinking: tuple[AgentId, ...] = AGENTS) -> None:
        for _ in range(seconds):
            self.stream.live(1, *self.windows.values())
            for _ in range(2):
                self._think(thinking)

    def _think(self, thinking: tuple[AgentId, ...]) -> None:
        now = Now(self.stream.now_ms, self.stream.now_ms)
        for agent in thinking:
            for operation in self.minds[agent].step(now):
                self.said.append((agent, operation))
                self.court.say(agent, operation)

    def leak(self) -> None:
        self.live(55)
        self.stream.release(CATALOG, "1.3.0", Harm(leaked_files=5))

    def until_certified(self, within: int) -> int:
        for second in range(within):
            self.live(1)
            if any(isinstance(operation, Certified) for _, operation in self.said):
                return second
        raise AssertionError("nothing was certified")


def test_a_leak_is_warned_of_and_rolled_back_before_anything_is_used_up() -> None:
    swarm = Swarm()
    swarm.leak()
    swarm.until_certified(40)

    warnings = [operation for _, operation in swarm.said if isinstance(operation, Warned)]
    attempt = swarm.court.council.open_incidents[0].attempt
    (diagnosed,) = attempt.diagnoses.values()
    assert {warning.signal for warning in warnings} == {FILES}
    assert len({agent for agent, said in swarm.said if isinstance(said, Warned)}) > 1
    assert swarm.court.council.open_incidents[0].subject == CATALOG
    assert (diagnosed.hypotheses[0].service, diagnosed.hypotheses[0].kind) == (
        CATALOG,
        FaultKind.LEAK,
    )
    assert attempt.live is not None
    (action,) = attempt.live.plan.actions
    assert isinstance(action, RollBack)
    assert action.to_release == "1.0.0"
    assert swarm.stream.files[CATALOG] < 0.8 * MOST_FILES


def test_an_incident_that_was_foreseen_is_not_over_while_its_leak_goes_on() -> None:
    swarm = Swarm()
    swarm.leak()
    swarm.until_certified(40)
    swarm.live(2)

    assert not swarm.court.council.open_incidents[0].attempt.recovered


def test_one_agents_warning_alone_opens_nothing() -> None:
    swarm = Swarm()
    swarm.leak()
    swarm.live(40, (PREDICTION,))

    council = swarm.court.council
    assert council.warnings[council.next_key(CATALOG)].keys() == {PREDICTION}
    assert council.opened == 0


def test_agents_who_see_no_leak_do_not_follow_those_who_warn_of_one() -> None:
    swarm = Swarm()
    swarm.live(60)
    key = swarm.court.council.next_key(CATALOG)
    now_ms = swarm.stream.now_ms
    for liar in AGENTS[:2]:
        swarm.court.say(liar, Warned(key, FILES, now_ms + 9_000, now_ms + 8_000, now_ms + 10_000))
    swarm.live(10, AGENTS[2:])

    assert swarm.court.council.opened == 0


def test_a_far_limit_is_warned_of_and_left_to_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.agents.prediction.HORIZON_MS", 5_000)
    swarm = Swarm()
    swarm.leak()
    swarm.live(33)

    assert any(isinstance(operation, Warned) for _, operation in swarm.said)
    assert swarm.court.council.opened == 0


def test_policy_decides_who_mends_what_is_foreseen() -> None:
    swarm = Swarm(Rules(automation=Automation(medium=Policy.ASK)))
    swarm.leak()
    swarm.live(36)

    (incident,) = swarm.court.council.open_incidents
    assert incident.status is IncidentStatus.AWAITING_APPROVAL


def test_what_began_to_hurt_before_the_repair_is_not_held_against_it() -> None:
    swarm = Swarm()
    swarm.leak()
    swarm.until_certified(40)
    court, stream = swarm.court, swarm.stream
    stream.harm[CATALOG] = Harm(error_share=0.6, leaked_files=5)
    swarm.live(6)
    (incident,) = court.council.open_incidents
    body = incident.attempt.body
    assert body is not None
    court.say(ACTUATOR, Acted(certificate_digest(body), 0, OutcomeKind.DONE))
    # Requests that were under way fail for some seconds more, a little less than before.
    stream.harm[CATALOG] = Harm(error_share=0.5)
    swarm.live(6)

    assert incident.status is IncidentStatus.ACTED
    assert not any(isinstance(said, Worse) for _, said in swarm.said)
