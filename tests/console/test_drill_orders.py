"""A drill from the console: chosen, confirmed, signed; and the engine's side of it."""

import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from controlroom.console.modals import Question
from controlroom.drills import news, offers, seed_of, why_not
from engine.codec import Malformed
from engine.genesis import read as read_genesis
from engine.signing import Ed25519Verifier
from engine.stream.drilling import DrillOrder
from engine.stream.orders import OrderDesk
from engine.stream.state import DrillRow, ScreenState
from engine.stream.wire import Command, Reply
from tests import story
from tests.console.test_console import Stage, press
from tests.until import until

OFFERS = ("kill-payments the payments service is killed", "quiet nothing is broken")
IDLE = replace(story.calm(), drill=DrillRow(running=False, offers=OFFERS))
RUNNING = replace(IDLE, drill=DrillRow(running=True, text="against this fleet", offers=OFFERS))


@pytest.fixture
def ordered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Stage, list[DrillOrder]]:
    """A stage whose engine takes drill orders, as the real one does, and what it took."""
    stage = Stage(tmp_path)
    desk = OrderDesk(read_genesis(stage.paths.genesis), Ed25519Verifier())
    taken: list[DrillOrder] = []

    async def take(command: Command) -> Reply:
        assert command.about == "drill"
        taken.append(desk.take_drill(command.payload, time.time_ns() // 1_000_000))
        return Reply(command.id, True)

    monkeypatch.setattr(stage, "take", take)
    return stage, taken


async def test_a_drill_is_chosen_confirmed_and_signed(
    ordered: tuple[Stage, list[DrillOrder]],
) -> None:
    stage, taken = ordered
    async with stage.both(IDLE) as (_, app, pilot):
        await press(pilot, "b", "1")
        question = app.screen
        assert isinstance(question, Question)
        assert "killed" in "\n".join(question._about)
        await press(pilot, "y")
        await until(lambda: len(taken) == 1)

    assert taken[0].experiment == "kill-payments"
    assert f"seed {taken[0].seed}" in "\n".join(question._about)


async def test_enter_at_either_question_starts_nothing(
    ordered: tuple[Stage, list[DrillOrder]],
) -> None:
    stage, taken = ordered
    async with stage.both(IDLE) as (_, app, pilot):
        await press(pilot, "b", "enter")
        assert not isinstance(app.screen, Question)
        await press(pilot, "b", "2", "enter")
        assert not isinstance(app.screen, Question)

    assert taken == []


async def test_a_question_is_void_once_somebody_else_has_begun(
    ordered: tuple[Stage, list[DrillOrder]],
) -> None:
    stage, taken = ordered
    async with stage.both(IDLE) as (hub, app, pilot):
        await press(pilot, "b", "1")
        question = app.screen
        assert isinstance(question, Question)
        hub.publish(RUNNING)
        await until(lambda: bool(question.void_reason))
        await press(pilot, "y")

    assert taken == []


async def test_what_came_of_it_is_told_once(ordered: tuple[Stage, list[DrillOrder]]) -> None:
    stage, _ = ordered
    over = replace(IDLE, drill=DrillRow(running=False, offers=OFFERS, last="✓ passed"))
    async with stage.both(RUNNING) as (hub, app, _):
        hub.publish(over)
        await until(lambda: any("✓ passed" in it.message for it in app._notifications))
        assert len([it for it in app._notifications if "✓ passed" in it.message]) == 1


def test_what_may_be_ordered_follows_from_the_state() -> None:
    assert [offer.name for offer in offers(IDLE)] == ["kill-payments", "quiet"]
    assert offers(IDLE)[1].summary == "nothing is broken"
    assert why_not(IDLE) == ""
    assert "may not be drilled" in why_not(story.calm())
    assert "runs already" in why_not(RUNNING)
    assert "is open" in why_not(story.opened(story.failing(IDLE)))
    assert news(ScreenState(), IDLE) == ""
    assert 0 <= seed_of(story.START_MS) < 10_000


def test_an_order_happens_once_for_a_minute_and_for_an_operator_only(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    genesis = read_genesis(stage.paths.genesis)
    operator = stage.place.operator()
    desk = OrderDesk(genesis, Ed25519Verifier())
    now_ms = story.START_MS
    command = operator.drill("quiet", 7, now_ms)

    with pytest.raises(Malformed, match="too old"):
        desk.take_drill(command.payload, now_ms + 61_000)
    assert desk.take_drill(command.payload, now_ms).seed == 7
    with pytest.raises(Malformed, match="came before"):
        desk.take_drill(command.payload, now_ms)
    with pytest.raises(Malformed):
        desk.take(operator.drill("quiet", 7, now_ms).payload, "", now_ms)
    with pytest.raises(Malformed):
        desk.take_drill(operator.freeze(now_ms).payload, now_ms)
    others = replace(genesis, operators=dict.fromkeys(genesis.operators, b"x" * 32))
    with pytest.raises(Malformed, match="not signed by an operator"):
        OrderDesk(others, Ed25519Verifier()).take_drill(
            operator.drill("quiet", 8, now_ms).payload, now_ms
        )
