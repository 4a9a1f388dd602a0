"""What screens see of a real council, a real window and the probe's log."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.consensus.digests import chain_after
from engine.council import Happening, IncidentStatus
from engine.policy import Automation, Rules
from engine.projection import Projection, describe
from engine.projection.incident import LINGER_MS
from engine.stream.fold import apply, diff
from engine.stream.state import Health, IncidentRow, ScreenState
from engine.stream.wire import Snapshot, decode_from_server, encode_message
from engine.supervisor import ProcessState
from engine.telemetry.window import Window
from engine.vocabulary import (
    Approved,
    AuthorId,
    CommandId,
    Configured,
    Diagnosed,
    Entry,
    Evidence,
    FaultKind,
    Frozen,
    Hypothesis,
    Noted,
    Operation,
    Policy,
    Signal,
    SignalKind,
    TakenOver,
    Verdict,
    Vitals,
)
from tests.court import (
    AGENTS,
    CHECKOUT,
    DETECTION,
    DIAGNOSIS,
    MANIFEST,
    NOT_AFTER_MS,
    OPERATOR,
    PAYMENTS,
    Court,
    restart,
)
from tests.shop_stream import ShopStream

NOW_MS = 1_800_000_000_000
EVIDENCE = Evidence(Signal(PAYMENTS, SignalKind.LIVENESS), 4200)
DIAGNOSIS_SAID = Diagnosed(
    CHECKOUT,
    1,
    (Hypothesis(PAYMENTS, FaultKind.CRASH, 970, (EVIDENCE,)),),
)
PLAN_SAID = (
    "restart payments (pid 4711, release 1.0.0); low risk; undo none; "
    "reaches gateway, orders, payments"
)


class Watched(Court):
    """A court with a projection that follows it, second by second."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.projection = Projection(self.council, Window(MANIFEST))
        self.now_ms = NOW_MS
        self.chain: bytes = self.genesis.cluster

    def say(self, author: AuthorId, *operations: Operation) -> list[Happening]:
        happenings = super().say(author, *operations)
        number, _, signed = self.log[-1]
        entry = Entry(number, 0, (signed,), ())
        self.chain = chain_after(self.chain, entry, self.genesis.cluster, self.genesis.epoch)
        self.now_ms += 1000
        self.projection.ordered(entry, happenings, self.now_ms)
        return happenings

    @property
    def state(self) -> ScreenState:
        return self.projection.state(self.now_ms)

    @property
    def row(self) -> IncidentRow:
        row = self.state.incident
        assert row is not None
        return row

    def hear(self, *silent: str, **changes: object) -> None:
        for agent in AGENTS:
            if agent not in silent:
                vitals = Vitals(agent, 2, 7, "idle", 100, 1, 2, ready=True)
                self.projection.heard(msgspec.structs.replace(vitals, **changes), self.now_ms)


def _story(court: Watched) -> list[tuple[str, str, str]]:
    return [(entry.kind, entry.who, entry.text) for entry in court.state.timeline]


def test_what_a_process_said_of_itself_says_nothing_of_its_successor() -> None:
    court = Watched()
    court.hear()
    once = ProcessState(DETECTION, 4711, 0, court.now_ms - 1000)
    again = ProcessState(DETECTION, 4712, 1, court.now_ms + 200)

    before, after = (
        court.projection.state(court.now_ms + 300, processes=[it]).agents[DETECTION].health
        for it in (once, again)
    )
    court.now_ms += 1000
    court.hear()
    later = court.projection.state(court.now_ms, processes=[again]).agents[DETECTION].health

    assert (before, after, later) == (Health.OK, Health.UNKNOWN, Health.OK)


def test_an_order_for_another_policy_is_told_in_words_and_shown_from_its_epoch_on() -> None:
    court = Watched()
    court.open()
    asks = Rules(automation=Automation(low=Policy.ASK, medium=Policy.AUTO, high=Policy.AUTO))

    court.say(OPERATOR, court.configured(asks))
    before = court.state.swarm
    court.council.begin(court.council.changes.charter(bytes(32)))
    after = court.state.swarm

    ordered = "policy low ask, medium auto, high auto, from the next epoch on"
    assert _story(court)[-1] == ("configured", OPERATOR, ordered)
    assert before is not None
    assert after is not None
    assert (before.epoch, before.policy) == (0, "low auto, medium auto, high auto")
    assert (after.epoch, after.policy) == (1, "low ask, medium auto, high auto")


def test_what_is_no_policy_is_told_as_such() -> None:
    words = describe(Configured(CommandId("c"), b"no rules"))

    assert words.startswith("no policy (")
    assert words.endswith("), from the next epoch on")


# --- the incident --------------------------------------------------------------------------------


def test_an_incident_is_told_from_its_claim_to_its_end() -> None:
    court = Watched()
    court.open()
    court.say(DIAGNOSIS, DIAGNOSIS_SAID)
    court.propose(restart())
    court.accept(*AGENTS[:3])
    court.certify()
    court.act()
    court.recover()

    seen = "orders→payments errors 90 % (usually 1 %)"
    assert _story(court) == [
        ("opened", "detection-1", seen),
        ("corroborated", "prediction-1", seen),
        ("open", "council", "2 agents see it: it is an incident"),
        ("diagnosed", "diagnosis-1", "payments crash 0.97 (payments liveness +4.2)"),
        (
            "proposed",
            "resolution-1",
            PLAN_SAID,
        ),
        ("assessed", "detection-1", "accept 0.80"),
        ("assessed", "diagnosis-1", "accept 0.80"),
        ("assessed", "prediction-1", "accept 0.80"),
        ("decided", "council", "accepted by 3 of 5 (3 needed)"),
        ("certificate", "council", f"{court.row.certificate[:12]} signed by 4 of 5"),
        ("acted", "actuator", "step 1 done"),
        ("recovered", "detection-1", "its window is back to habit"),
        ("recovered", "diagnosis-1", "its window is back to habit"),
        ("recovered", "prediction-1", "its window is back to habit"),
        ("closed", "council", "recovered"),
    ]
    assert court.row.status == IncidentStatus.RECOVERED
    assert court.row.closed_ms == court.now_ms
    assert court.row.opened_ms == NOW_MS + 1000


def test_the_row_names_the_plan_that_an_operator_would_approve() -> None:
    court = Watched(rules=Rules(automation=Automation(low=Policy.ASK)))
    court.open()
    court.say(DIAGNOSIS, DIAGNOSIS_SAID)
    court.propose(restart())
    court.accept(*AGENTS[:3])

    row = court.row
    assert row.status == IncidentStatus.AWAITING_APPROVAL
    assert row.needs_approval
    assert (row.accepts, row.rejects, row.threshold) == (3, 0, 3)
    assert row.title == "payments crash"
    assert row.not_after_ms == NOT_AFTER_MS
    court.say(
        OPERATOR,
        Approved(
            court.command(),
            CHECKOUT,
            row.version,
            bytes.fromhex(row.plan_digest),  # type: ignore[arg-type]
            row.not_after_ms,
        ),
    )
    assert court.row.status == IncidentStatus.DECIDED
    assert not court.row.needs_approval


def test_votes_stand_beside_the_agents_that_gave_them() -> None:
    court = Watched()
    court.open()
    court.propose(restart())
    court.assess(DETECTION)
    court.assess(DIAGNOSIS, Verdict.ABSTAIN)

    votes = {agent.id: agent.vote for agent in court.state.agents.values()}

    assert votes[DETECTION] == "accept"
    assert votes[DIAGNOSIS] == "abstain"
    assert votes["resolution-1"] == ""


def test_a_person_learns_that_he_was_not_heard_and_an_agent_that_was_late_is_no_news() -> None:
    court = Watched()
    court.open()
    court.say(OPERATOR, TakenOver(court.command(), CHECKOUT, 77))
    court.open()

    kinds = [(kind, text) for kind, _, text in _story(court)]
    assert kinds[-1] == (
        "taken-over",
        "without effect: the incident is at version 2, not 77",
    )


def test_freezing_and_notes_stand_in_the_timeline() -> None:
    court = Watched()
    court.open()
    court.say(OPERATOR, Noted(court.command(), CHECKOUT, "on it"))
    court.say(OPERATOR, Frozen(court.command()))

    assert _story(court)[-2:] == [
        ("noted", "alice", "on it"),
        ("frozen", "alice", "all automation stops"),
    ]
    assert court.state.swarm is not None
    assert court.state.swarm.frozen


def test_a_closed_incident_leaves_the_screen_in_the_end() -> None:
    court = Watched()
    court.run_to_acted(restart())
    court.recover()

    assert court.projection.state(court.now_ms + LINGER_MS).incident is not None
    assert court.projection.state(court.now_ms + LINGER_MS + 1).incident is None


def test_the_ledger_tail_chains_as_the_ledger_does() -> None:
    court = Watched()
    court.open()

    tail = court.state.ledger
    assert [row.operations for row in tail] == [
        ("detection-1: opened",),
        ("prediction-1: corroborated",),
    ]
    assert tail[-1].chain == court.chain.hex()[:12]


# --- swarm, fleet and probe ----------------------------------------------------------------------


def test_the_swarm_is_ready_once_a_quorum_is_heard() -> None:
    court = Watched()
    assert court.state.swarm is not None
    assert not court.state.swarm.ready
    court.hear("communication-1")

    swarm = court.state.swarm
    assert swarm is not None
    assert swarm.ready
    assert (swarm.view, swarm.primary, swarm.budget) == (2, "prediction-1", 0)
    assert swarm.trace_dropped == 4
    assert court.state.agents["communication-1"].health is Health.UNKNOWN

    court.now_ms += 10_000
    assert any("quorum lost" in notice for notice in court.state.notices)
    assert court.state.agents["detection-1"].health is Health.BROKEN
    assert court.state.agents["detection-1"].age_s == 10


def test_one_liar_cannot_move_the_view_on_the_screen() -> None:
    court = Watched()
    court.hear()
    court.projection.heard(Vitals(AGENTS[0], 10**9, 7, "idle", 0, 0, 0, ready=True), court.now_ms)
    stranger = msgspec.structs.replace(
        Vitals(AGENTS[0], 5, 7, "idle", 0, 0, 0, ready=True), agent="mallory"
    )
    court.projection.heard(stranger, court.now_ms)

    assert court.state.swarm is not None
    assert court.state.swarm.view == 2
    assert "mallory" not in court.state.agents


def test_the_fleet_is_shown_as_the_window_sees_it() -> None:
    shop = ShopStream()
    window = Window(shop.manifest)
    shop.live(20, window)
    projection = Projection(Court().council, window)
    calm = projection.state(shop.now_ms)
    shop.kill("payments")
    shop.live(8, window)
    state = projection.state(shop.now_ms)

    assert {row.health for row in calm.services.values()} == {Health.OK}
    assert calm.services["gateway"].rate > 1
    assert calm.services["gateway"].mean_ms > 0
    payments = state.services["payments"]
    assert payments.health is Health.BROKEN
    assert payments.note == "exited: signal 9"
    assert state.links["orders>payments"].errors > 0.5
    assert state.services["orders"].health is not Health.OK
    stale = projection.state(shop.now_ms + 60_000)
    assert {row.health for row in stale.services.values()} == {Health.UNKNOWN}
    assert "the engine's telemetry is stale" in stale.notices


def test_the_probe_history_is_what_the_probe_wrote() -> None:
    projection = Projection(Court(probe=True).council, Window(MANIFEST))
    assert projection.state(NOW_MS).slo is None
    for second in range(20):
        bad = second in (12, 13, 14)
        line = {
            "monotonic_ns": second,
            "unix_ms": NOW_MS + 1000 * second,
            "good": 2 if bad else 5,
            "bad": 3 if bad else 0,
            "green": not bad,
            "first_bad_ns": None,
        }
        projection.probed(json.dumps(line).encode())
    projection.probed(b"{}")
    projection.probed(b"\xff")

    slo = projection.state(NOW_MS + 20_000).slo
    assert slo is not None
    assert slo.green
    assert slo.held_ms == 5000
    assert slo.history == (1000,) * 12 + (400,) * 3 + (1000,) * 5
    assert slo.success == pytest.approx(41 / 50)
    assert "the SLO probe is silent" in projection.state(NOW_MS + 40_000).notices


def test_what_is_shown_survives_the_wire_and_the_fold() -> None:
    court = Watched()
    empty = court.state
    court.run_to_acted(restart())
    court.hear()
    full = court.state

    assert apply(empty, diff(empty, full)) == full
    snapshot = Snapshot(1, 1, full)
    assert decode_from_server(encode_message(snapshot)) == snapshot


def test_a_screen_at_rest_costs_nothing_but_the_time() -> None:
    court = Watched()
    court.run_to_acted(restart())
    court.hear()
    before = court.state

    after = court.projection.state(court.now_ms + 900)

    assert diff(before, after).only_time


# --- words ---------------------------------------------------------------------------------------


@given(st.from_type(Operation))  # type: ignore[arg-type]
def test_every_operation_has_words(operation: Operation) -> None:
    assert isinstance(describe(operation), str)
