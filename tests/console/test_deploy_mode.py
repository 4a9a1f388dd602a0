"""The Deploy mode: environments, orders that are signed, and questions before what can hurt."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from controlroom.console.deploy_screen import DeployScreen
from controlroom.console.modals import NameInput, Question
from controlroom.console.panel import Panel
from controlroom.deploys import why_not, why_void
from engine.codec import Malformed
from engine.genesis import Genesis
from engine.genesis import read as read_genesis
from engine.signing import Ed25519Verifier
from engine.stream.deploying import DeployOrder, DeployVerb
from engine.stream.orders import OrderDesk
from engine.stream.state import DeployRow, Health, ScreenState
from engine.stream.wire import Command, Reply
from tests import story
from tests.console.test_console import Stage, press, whole_screen
from tests.until import until

PLAN = "ab" * 32


def row(environment: str = "local", **changes: object) -> DeployRow:
    plain = DeployRow(
        environment=environment,
        target=f"{environment}: AWS, account 111122223333, eu-west-1",
        health=Health.OK,
        phase="done",
        busy=False,
        run=3,
        build="4f3efd4",
        began_ms=1_790_000_000_000,
        good=3,
        plan="",
        needs_name=environment == "prod",
        reason="",
        said="",
        checked_ms=1_790_000_000_000,
        drift="none",
        hazards=("broken deletion S.Table: AWS::DynamoDB::Table Table is deleted",),
        stacks=("ok Ic-local-Api 3/3 UPDATE_COMPLETE",),
        checks=("ok http: 200", "unknown opensearch: control-plane-only, no search behind it"),
        history=("ok run 3 11-23 06:44Z apply: done, build 4f3efd4",),
        back=2,
    )
    return replace(plain, **changes)


def with_deploys(*rows: DeployRow) -> ScreenState:
    return replace(story.calm(), deploys={each.environment: each for each in rows})


@dataclass
class DeployStage:
    """A stage whose engine takes deploy orders, as the real one does."""

    stage: Stage
    orders: list[DeployOrder] = field(default_factory=list)
    desk: OrderDesk | None = None

    async def take(self, command: Command) -> Reply:
        assert command.about == "deploy"
        self.desk = self.desk or OrderDesk(
            read_genesis(self.stage.paths.genesis), Ed25519Verifier()
        )

        try:
            order = self.desk.take(command.payload, command.seen, time.time_ns() // 1_000_000)
        except Malformed as error:
            return Reply(command.id, False, str(error))
        self.orders.append(order)
        return Reply(command.id, True)


@pytest.fixture
def deploys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployStage:
    stage = Stage(tmp_path)
    made = DeployStage(stage)
    monkeypatch.setattr(stage, "take", made.take)
    return made


@pytest.mark.parametrize("size", [(140, 45), (80, 24), (60, 16), (200, 60)])
async def test_the_deploy_mode_shows_where_everything_stands(
    deploys: DeployStage, size: tuple[int, int]
) -> None:
    state = with_deploys(row("prod", health=Health.BROKEN), row("local"))
    async with deploys.stage.both(state, size) as (_, app, pilot):
        await press(pilot, "d")
        await until(lambda: "local" in whole_screen(app))

        shown = whole_screen(app)
        assert shown.index("local") < shown.index("prod")
        assert "✖ broken" in shown
        assert "● ok" in shown
        if size[1] >= 24:
            assert "● http: 200" in shown
            assert "○ opensearch: control-plane-only" in shown.replace("\n", " ")
        await press(pilot, "escape")
        await until(lambda: not isinstance(app.screen, DeployScreen))


async def test_one_key_deploys_to_local(deploys: DeployStage) -> None:
    async with deploys.stage.both(with_deploys(row())) as (_, app, pilot):
        await press(pilot, "d")
        await until(lambda: "local" in whole_screen(app))
        await press(pilot, "a")
        await until(lambda: bool(deploys.orders))

        (order,) = deploys.orders
        assert (order.verb, order.environment) == (DeployVerb.APPLY, "local")


async def test_production_is_approved_by_its_name_and_nothing_else(deploys: DeployStage) -> None:
    waiting = row("prod", phase="approval", plan=PLAN)
    async with deploys.stage.both(with_deploys(waiting)) as (_, app, pilot):
        await press(pilot, "d")
        await until(lambda: "waits" in whole_screen(app) or "prod" in whole_screen(app))
        app.screen.query_one("#environments", Panel).chosen = "prod"
        await press(pilot, "a")
        await until(lambda: isinstance(app.screen, NameInput))
        app.screen.query_one(Input).value = "staging"
        await press(pilot, "enter")
        assert deploys.orders == []

        await press(pilot, "a")
        await until(lambda: isinstance(app.screen, NameInput))
        app.screen.query_one(Input).value = "prod"
        await press(pilot, "enter")
        await until(lambda: bool(deploys.orders))
        assert (deploys.orders[0].verb, deploys.orders[0].plan) == (DeployVerb.APPROVE, PLAN)
        assert deploys.orders[0].typed_name == "prod"


async def test_production_is_planned_approved_checked_and_rolled_back_by_keys_alone(
    deploys: DeployStage,
) -> None:
    prod = row("prod")
    async with deploys.stage.both(with_deploys(row(), prod)) as (hub, app, pilot):

        async def ordered(count: int) -> None:
            await until(lambda: len(deploys.orders) == count)

        async def type_name() -> None:
            await until(lambda: isinstance(app.screen, NameInput))
            await press(pilot, *"prod", "enter")

        await press(pilot, "d")
        await until(lambda: "prod" in whole_screen(app))
        await press(pilot, "down", "p")
        await ordered(1)
        hub.publish(with_deploys(row(), replace(prod, phase="approval", plan=PLAN, run=4)))
        await until(lambda: f"plan {PLAN[:12]} waits" in whole_screen(app))
        await press(pilot, "a")
        await type_name()
        await ordered(2)
        hub.publish(with_deploys(row(), replace(prod, run=4, good=4, back=3, build="bad")))
        await until(lambda: "run 4" in whole_screen(app))
        await press(pilot, "h")
        await ordered(3)
        await press(pilot, "b")
        await until(lambda: isinstance(app.screen, NameInput))
        asked = whole_screen(app)
        assert "run 4, build bad" in asked
        assert "back to    run 3" in asked
        await type_name()
        await ordered(4)
        past = "ok run 5 11-23 06:50Z rollback: rolled back, build 4f3efd4"
        hub.publish(with_deploys(row(), replace(prod, run=5, history=(past, *prod.history))))
        await until(lambda: "run 5 11-23 06:50Z rollback" in whole_screen(app))

    assert [(order.verb, order.environment, order.typed_name) for order in deploys.orders] == [
        (DeployVerb.PLAN, "prod", ""),
        (DeployVerb.APPROVE, "prod", "prod"),
        (DeployVerb.HEALTH, "prod", ""),
        (DeployVerb.ROLLBACK, "prod", "prod"),
    ]


async def test_local_is_rolled_back_after_a_yes(deploys: DeployStage) -> None:
    async with deploys.stage.both(with_deploys(row())) as (_, app, pilot):
        await press(pilot, "d")
        await until(lambda: "local" in whole_screen(app))
        await press(pilot, "b")
        await until(lambda: isinstance(app.screen, Question))
        assert "back to    run 2" in whole_screen(app)
        await press(pilot, "escape")
        await until(lambda: isinstance(app.screen, DeployScreen))
        assert deploys.orders == []

        await press(pilot, "b")
        await until(lambda: isinstance(app.screen, Question))
        await press(pilot, "y")
        await until(lambda: bool(deploys.orders))
        assert [order.verb for order in deploys.orders] == [DeployVerb.ROLLBACK]


async def test_an_approval_of_a_plan_that_was_replaced_is_void(deploys: DeployStage) -> None:
    waiting = row("dev", phase="approval", plan=PLAN)
    async with deploys.stage.both(with_deploys(waiting)) as (hub, app, pilot):
        await press(pilot, "d")
        await until(lambda: "dev" in whole_screen(app))
        app.screen.query_one("#environments", Panel).chosen = "dev"
        await press(pilot, "a")
        await until(lambda: isinstance(app.screen, Question))
        hub.publish(with_deploys(replace(waiting, plan="cd" * 32, run=4)))
        await until(
            lambda: isinstance(app.screen, Question) and "taken the place" in app.screen.void_reason
        )
        await press(pilot, "y")

        assert deploys.orders == []


async def test_keys_about_incidents_mean_nothing_in_the_deploy_mode(deploys: DeployStage) -> None:
    async with deploys.stage.both(with_deploys(row(busy=True))) as (_, app, pilot):
        await press(pilot, "d")
        await until(lambda: isinstance(app.screen, DeployScreen))

        assert app.check_action("take_over", ()) is False
        assert app.check_action("refuse", ()) is False
        await press(pilot, "a")
        assert deploys.orders == [], "a run is under way"


def test_what_may_be_ordered_follows_from_the_row() -> None:
    assert why_not(None, DeployVerb.APPLY)
    assert why_not(row(busy=True), DeployVerb.APPLY)
    assert not why_not(row(busy=True), DeployVerb.HEALTH)
    assert why_not(row(), DeployVerb.APPROVE)
    assert why_not(row(good=0), DeployVerb.ROLLBACK)
    assert not why_not(row(good=0), DeployVerb.APPLY)
    assert why_void(row(), DeployVerb.APPLY, with_deploys(row(run=4)))
    assert not why_void(row(), DeployVerb.APPLY, with_deploys(row()))


# --- the engine's side -----------------------------------------------------------------------------


def test_an_order_happens_once_for_a_minute_and_for_what_was_seen(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    genesis = read_genesis(stage.paths.genesis)
    operator = stage.place.operator()
    desk = OrderDesk(genesis, Ed25519Verifier())
    now_ms = 1_790_000_000_000
    command = operator.deploy(DeployVerb.APPROVE, "dev", now_ms, plan=PLAN)

    with pytest.raises(Malformed, match="another plan"):
        desk.take(command.payload, "cd" * 32, now_ms)
    with pytest.raises(Malformed, match="too old"):
        desk.take(command.payload, PLAN, now_ms + 61_000)
    assert desk.take(command.payload, PLAN, now_ms).environment == "dev"
    with pytest.raises(Malformed, match="came before"):
        desk.take(command.payload, PLAN, now_ms)


def test_a_submission_to_the_log_is_no_order_and_the_other_way_round(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    genesis = read_genesis(stage.paths.genesis)
    operator = stage.place.operator()
    desk = OrderDesk(genesis, Ed25519Verifier())

    with pytest.raises(Malformed):
        desk.take(operator.freeze(1).payload, "", 1)
    stranger = OrderDesk(replace_operators(genesis), Ed25519Verifier())
    with pytest.raises(Malformed, match="not signed by an operator"):
        stranger.take(operator.deploy(DeployVerb.PLAN, "dev", 1).payload, "", 1)


def replace_operators(genesis: Genesis) -> Genesis:
    return replace(genesis, operators=dict.fromkeys(genesis.operators, b"x" * 32))
