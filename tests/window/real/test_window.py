"""The window as its user meets it: shown on a screen, moved by a mouse, ordered about by keys."""

import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from controlroom.window.qt.canvas import CardCanvas, PaintedCanvas
from controlroom.window.qt.fonts import load_fonts
from controlroom.window.qt.graphics import MOST_PIXELS
from controlroom.window.qt.question import Box
from controlroom.window.qt.run import Wanted, open_window
from controlroom.window.qt.window import ControlRoomWindow
from controlroom.window.transport import Mode
from engine.stream.deploying import DeployOrder, DeployVerb
from engine.stream.drilling import DrillOrder
from engine.stream.recording import Frame, Recording
from engine.stream.state import DrillRow, ScreenState
from engine.vocabulary import Approved, Frozen, Noted
from tests import story
from tests.console.test_deploy_mode import PLAN, row
from tests.window.real.engine import LiveEngine
from tests.window.rounds import FIVE, Writer

pytestmark = pytest.mark.window
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
WITHIN_MS = 15_000
START_S = 1_000.0


def recording() -> Recording:
    """The whole story, with a round of messages before and after the incident."""
    writer = Writer()
    writer.round(START_S + 0.5, 112, FIVE[3], view=3)
    frames = story.story()
    first = frames[0].at_ms
    return Recording(
        "ledger.sqlite",
        tuple(Frame(int((START_S + (it.at_ms - first) / 1000) * 1e9), it) for it in frames),
        tuple(sent.event for sent in writer.records),
    )


Opens = Callable[[Wanted], ControlRoomWindow]


@pytest.fixture
def opened(qtbot: QtBot) -> Generator[Opens]:
    """Opens windows, small ones, and closes them."""
    windows: list[ControlRoomWindow] = []
    load_fonts()

    def open_one(wanted: Wanted) -> ControlRoomWindow:
        window = open_window(wanted)
        windows.append(window)
        window.resize(960, 600)
        with qtbot.waitExposed(window, timeout=WITHIN_MS):
            window.begin()
        qtbot.waitUntil(lambda: window.view.frames > 1, timeout=WITHIN_MS)
        # A screen without a window manager gives nobody the keys by itself.
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow, timeout=WITHIN_MS)
        return window

    yield open_one
    for window in windows:
        window.close()
        window.deleteLater()


@pytest.fixture
def replay(opened: Opens) -> ControlRoomWindow:
    window = opened(Wanted(recording=recording()))
    at(window, 3.0)
    return window


def at(window: ControlRoomWindow, seconds: float) -> None:
    """Pause the recording there."""
    now_s = window._clock_s()
    window.session.transport.pause(now_s)
    window.session.transport.scrub(START_S + seconds, now_s)


def press(window: ControlRoomWindow, key: Qt.Key) -> None:
    QTest.keyClick(window, key)


def answer(window: ControlRoomWindow, key: Qt.Key) -> None:
    """Press a key in the box that lies over the window; it is closed then."""
    box = window.box
    assert box is not None
    QTest.keyClick(box, key)
    assert box.isHidden()


def box_of(window: ControlRoomWindow) -> Box | None:
    return window.box


def wait_for_incident(qtbot: QtBot, window: ControlRoomWindow) -> None:
    """Until the frame that is paused at is on screen, and its panel too."""
    qtbot.waitUntil(lambda: window.session.shown.incident is not None, timeout=WITHIN_MS)
    qtbot.waitUntil(
        lambda: "shop/checkout#1" in getattr(window.panels.incident.card, "title", ""),
        timeout=WITHIN_MS,
    )


def pixel_of(window: ControlRoomWindow, thing: str) -> QPoint:
    """Where a thing is on the view now."""
    import numpy as np

    place = window.session.place_of(thing)
    assert place is not None
    eye = window.session.orbit.eye(window.view.width(), window.view.height(), window._clock_s())
    pixels, _ = eye.project(np.array([place]))
    return QPoint(round(pixels[0, 0]), round(pixels[0, 1]))


def colours(image: QImage) -> int:
    """How many different colours a picture has, on a coarse grid."""
    step = 7
    return len(
        {
            image.pixel(x, y)
            for x in range(0, image.width(), step)
            for y in range(0, image.height(), step)
        }
    )


# --- a recording -----------------------------------------------------------------------------------


def test_a_recording_is_seen_with_its_panels_and_labels(
    qtbot: QtBot, replay: ControlRoomWindow
) -> None:
    wait_for_incident(qtbot, replay)
    qtbot.waitUntil(lambda: len(replay.labels.shown) > 8, timeout=WITHIN_MS)

    assert colours(replay.grab().toImage()) > 100
    assert any("payments" in it.label.title for it in replay.labels.shown)


def test_a_click_on_an_agent_opens_the_drawer_and_dims_the_others(
    qtbot: QtBot, replay: ControlRoomWindow
) -> None:
    spot = pixel_of(replay, "agent:detection-1")
    QTest.mouseClick(replay.view, LEFT, NONE, spot)

    qtbot.waitUntil(lambda: replay.panels.drawer.card is not None, timeout=WITHIN_MS)
    card = replay.panels.drawer.card
    assert card is not None
    assert card.title == "AGENT"
    assert replay.session.choice.thing == "agent:detection-1"
    assert replay.session.scene.focus == {"agent:detection-1"}

    press(replay, Qt.Key.Key_Escape)
    assert replay.session.scene.focus == frozenset()


def test_a_double_click_visits_and_o_comes_back(qtbot: QtBot, replay: ControlRoomWindow) -> None:
    far = replay.session.orbit.pose(replay._clock_s()).distance
    spot = pixel_of(replay, "service:payments")
    QTest.mouseDClick(replay.view, LEFT, NONE, spot)

    qtbot.waitUntil(
        lambda: replay.session.orbit.pose(replay._clock_s()).distance < far / 1.5,
        timeout=WITHIN_MS,
    )
    assert replay.session.orbit.view.follows == "service:payments"

    press(replay, Qt.Key.Key_O)
    qtbot.waitUntil(
        lambda: replay.session.orbit.pose(replay._clock_s()).distance > far * 0.9,
        timeout=WITHIN_MS,
    )


def test_dragging_turns_shift_dragging_pans_and_the_wheel_zooms(
    qtbot: QtBot, replay: ControlRoomWindow
) -> None:
    orbit, view = replay.session.orbit, replay.view
    before = orbit.pose(replay._clock_s())
    QTest.mousePress(view, LEFT, NONE, QPoint(40, 400))
    QTest.mouseMove(view, QPoint(90, 420))
    QTest.mouseRelease(view, LEFT, NONE, QPoint(90, 420))
    turned = orbit.pose(replay._clock_s())
    assert turned.azimuth != before.azimuth
    assert turned.goal == before.goal

    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mousePress(view, Qt.MouseButton.RightButton, shift, QPoint(40, 400))
    QTest.mouseMove(view, QPoint(90, 420))
    QTest.mouseRelease(view, Qt.MouseButton.RightButton, shift, QPoint(90, 420))
    panned = orbit.pose(replay._clock_s())
    assert panned.goal != turned.goal
    assert panned.azimuth == turned.azimuth

    view.zoomed.emit(2.0)
    assert orbit.pose(replay._clock_s()).distance < panned.distance


def test_keys_move_through_time(qtbot: QtBot, replay: ControlRoomWindow) -> None:
    transport = replay.session.transport
    marks = sorted({mark.t_s for mark in replay.session.timeline.marks()})
    at(replay, 0.0)

    press(replay, Qt.Key.Key_BracketRight)
    assert transport.position(replay._clock_s()) == marks[0]
    press(replay, Qt.Key.Key_P)
    assert transport.mode is Mode.PLAYING
    press(replay, Qt.Key.Key_Period)
    assert transport.speed == 2.0

    bar = replay.panels.bar
    middle = QPoint(bar.x_of(START_S + 3.0), bar.height() // 2)
    QTest.mouseClick(bar, LEFT, NONE, middle)
    assert transport.position(replay._clock_s()) == pytest.approx(START_S + 3.0, abs=0.4)


def test_typing_finds_things_by_name_and_enter_visits_the_first(
    qtbot: QtBot, replay: ControlRoomWindow
) -> None:
    press(replay, Qt.Key.Key_Slash)
    QTest.keyClicks(replay.search, "redis")
    assert replay.session.choice.found == ("service:redis", "link:cart>redis")

    QTest.keyClick(replay.search, Qt.Key.Key_Return)
    assert replay.session.orbit.view.follows == "service:redis"
    assert not replay.search.isVisible()


def test_a_replay_takes_no_orders_and_says_so(qtbot: QtBot, replay: ControlRoomWindow) -> None:
    press(replay, Qt.Key.Key_Space)

    assert "this is a replay" in replay.toast.text()
    assert replay.box is None
    assert not replay.panels.drawer.button("freeze").isEnabled()


def test_the_keys_are_shown_and_any_key_closes_them(
    qtbot: QtBot, replay: ControlRoomWindow
) -> None:
    press(replay, Qt.Key.Key_Question)
    paused = replay.session.transport.mode

    answer(replay, Qt.Key.Key_P)
    assert box_of(replay) is None
    assert replay.session.transport.mode is paused


def test_the_presentation_tells_the_incident(qtbot: QtBot, replay: ControlRoomWindow) -> None:
    at(replay, 0.0)
    press(replay, Qt.Key.Key_M)

    assert replay.panels.caption.isVisible()
    assert replay.panels.incident.isHidden()
    qtbot.waitUntil(
        lambda: (
            replay.panels.caption.caption is not None
            and replay.panels.caption.caption.eyebrow == "DETECTED"
        ),
        timeout=WITHIN_MS,
    )


# --- the frame loop --------------------------------------------------------------------------------


def test_vtk_renders_once_for_each_frame_that_is_shown(
    qtbot: QtBot, replay: ControlRoomWindow
) -> None:
    renders = 0

    def rendered(*_: object) -> None:
        nonlocal renders
        renders += 1

    observer = replay.view.renderer.AddObserver("EndEvent", rendered)
    before = replay.view.frames
    qtbot.waitUntil(lambda: replay.view.frames >= before + 12, timeout=WITHIN_MS)
    frames = replay.view.frames - before
    replay.view.renderer.RemoveObserver(observer)

    assert renders <= frames + 1


def test_a_graphics_card_draws_into_the_window_itself(qtbot: QtBot, opened: Opens) -> None:
    window = opened(Wanted(recording=recording(), renderer="some graphics card"))
    at(window, 3.0)
    assert isinstance(window.view.canvas, CardCanvas)
    renders = 0

    def rendered(*_: object) -> None:
        nonlocal renders
        renders += 1

    observer = window.view.renderer.AddObserver("EndEvent", rendered)
    before = window.view.frames
    qtbot.waitUntil(lambda: window.view.frames >= before + 12, timeout=WITHIN_MS)
    window.view.renderer.RemoveObserver(observer)
    assert 12 <= renders <= window.view.frames - before + 1

    QTest.mouseClick(window.view, LEFT, NONE, pixel_of(window, "agent:detection-1"))
    assert window.session.choice.thing == "agent:detection-1"
    assert colours(window.grab().toImage()) > 100


def test_a_processor_draws_a_large_window_small_and_keeps_its_shape(
    qtbot: QtBot, opened: Opens
) -> None:
    window = opened(Wanted(recording=recording(), quality="low", renderer="llvmpipe"))
    window.resize(1600, 1000)
    canvas = window.view.canvas
    assert isinstance(canvas, PaintedCanvas)

    def drawn() -> QSize:
        return canvas.picture.size()

    qtbot.waitUntil(lambda: drawn().width() > 1_000, timeout=WITHIN_MS)
    assert drawn().width() * drawn().height() <= MOST_PIXELS
    shape = window.view.width() / window.view.height()
    assert drawn().width() / drawn().height() == pytest.approx(shape, abs=0.01)


def test_a_panel_that_says_the_same_is_not_painted_again(
    qtbot: QtBot, replay: ControlRoomWindow
) -> None:
    wait_for_incident(qtbot, replay)
    before = replay.panels.incident.painted
    for _ in range(5):
        replay.refresh()

    assert replay.panels.incident.painted == before


# --- a live engine ---------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Generator[LiveEngine]:
    live = LiveEngine(tmp_path)
    yield live
    live.stop()


def waiting_plan() -> ScreenState:
    state = story.calm()
    for step in (story.failing, story.opened, story.corroborated, story.diagnosed):
        state = step(state)
    return story.proposed(state, ask=True)


def test_without_an_engine_it_waits_visibly_and_then_connects(
    qtbot: QtBot, opened: Opens, engine: LiveEngine
) -> None:
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: window.panels.notices.card is not None, timeout=WITHIN_MS)
    card = window.panels.notices.card
    assert card is not None
    assert "Waiting for an engine" in str(card.rows)

    engine.start()
    engine.publish(story.calm())
    qtbot.waitUntil(lambda: window.session.store.live == story.calm(), timeout=WITHIN_MS)
    qtbot.waitUntil(lambda: window.panels.notices.card is None, timeout=WITHIN_MS)


def test_messages_of_the_trace_are_drawn(qtbot: QtBot, opened: Opens, engine: LiveEngine) -> None:
    engine.start()
    engine.publish(story.calm())
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: not window.session.store.is_empty, timeout=WITHIN_MS)

    writer = Writer()
    writer.round(time.monotonic(), 112, FIVE[0])
    engine.trace(*(sent.event for sent in writer.records))

    qtbot.waitUntil(
        lambda: window.session.timeline.counted == len(writer.records), timeout=WITHIN_MS
    )
    qtbot.waitUntil(
        lambda: window.session.last_frame is not None and len(window.session.last_frame.heads) > 0,
        timeout=WITHIN_MS,
    )


def test_a_plan_is_approved_by_key_after_one_question(
    qtbot: QtBot, opened: Opens, engine: LiveEngine
) -> None:
    engine.start()
    engine.publish(waiting_plan())
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: window.session.shown.incident is not None, timeout=WITHIN_MS)

    press(window, Qt.Key.Key_A)
    answer(window, Qt.Key.Key_Y)

    qtbot.waitUntil(lambda: len(engine.commands) == 1, timeout=WITHIN_MS)
    (approved,) = engine.commands
    assert isinstance(approved, Approved)
    assert approved.plan.hex() == story.PLAN
    qtbot.waitUntil(lambda: "on its way" in window.toast.text(), timeout=WITHIN_MS)


def test_enter_is_the_safe_answer(qtbot: QtBot, opened: Opens, engine: LiveEngine) -> None:
    engine.start()
    engine.publish(story.calm())
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: window.session.store.live.swarm is not None, timeout=WITHIN_MS)

    press(window, Qt.Key.Key_Space)
    answer(window, Qt.Key.Key_Return)
    assert box_of(window) is None
    assert engine.commands == []

    window.panels.drawer.show()
    qtbot.waitUntil(window.panels.drawer.button("freeze").isEnabled, timeout=WITHIN_MS)
    QTest.mouseClick(window.panels.drawer.button("freeze"), LEFT)
    answer(window, Qt.Key.Key_Y)
    qtbot.waitUntil(lambda: len(engine.commands) == 1, timeout=WITHIN_MS)
    assert isinstance(engine.commands[0], Frozen)


def test_a_question_about_a_plan_that_moved_on_is_void(
    qtbot: QtBot, opened: Opens, engine: LiveEngine
) -> None:
    engine.start()
    state = waiting_plan()
    engine.publish(state)
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: window.session.shown.incident is not None, timeout=WITHIN_MS)
    press(window, Qt.Key.Key_A)
    question = window.commanding.question
    assert question is not None

    assert state.incident is not None
    moved = replace(state.incident, version=state.incident.version + 1)
    engine.publish(replace(state, at_ms=state.at_ms + 100, incident=moved))
    qtbot.waitUntil(lambda: bool(question.void_reason), timeout=WITHIN_MS)
    answer(window, Qt.Key.Key_Y)

    assert box_of(window) is None
    assert engine.commands == []


def test_a_note_is_written_into_the_record(qtbot: QtBot, opened: Opens, engine: LiveEngine) -> None:
    engine.start()
    engine.publish(waiting_plan())
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: window.session.store.live.incident is not None, timeout=WITHIN_MS)

    press(window, Qt.Key.Key_N)
    assert window.box is not None
    line = window.box.focusProxy()
    assert line is not None
    QTest.keyClicks(line, "seen it")
    QTest.keyClick(line, Qt.Key.Key_Return)

    qtbot.waitUntil(lambda: len(engine.commands) == 1, timeout=WITHIN_MS)
    assert isinstance(engine.commands[0], Noted)
    assert engine.commands[0].text == "seen it"


# --- drills and deployments --------------------------------------------------------------------------


def test_a_drill_is_chosen_confirmed_and_ordered(
    qtbot: QtBot, opened: Opens, engine: LiveEngine
) -> None:
    engine.start()
    offered = DrillRow(running=False, offers=("kill-payments it dies", "quiet nothing is broken"))
    engine.publish(replace(story.calm(), drill=offered))
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: window.session.store.live.drill is not None, timeout=WITHIN_MS)

    press(window, Qt.Key.Key_B)
    answer(window, Qt.Key.Key_Return)
    assert box_of(window) is None
    press(window, Qt.Key.Key_B)
    answer(window, Qt.Key.Key_2)
    answer(window, Qt.Key.Key_Y)

    qtbot.waitUntil(lambda: len(engine.orders) == 1, timeout=WITHIN_MS)
    (order,) = engine.orders
    assert isinstance(order, DrillOrder)
    assert order.experiment == "quiet"
    qtbot.waitUntil(lambda: "drill is on its way" in window.toast.text(), timeout=WITHIN_MS)

    over = replace(offered, last="✓ passed  quiet")
    engine.publish(replace(story.calm(), at_ms=story.START_MS + 100, drill=over))
    qtbot.waitUntil(lambda: "✓ passed" in window.toast.text(), timeout=WITHIN_MS)


def test_the_deploy_drawer_orders_what_the_console_would(
    qtbot: QtBot, opened: Opens, engine: LiveEngine
) -> None:
    engine.start()
    rows = {it.environment: it for it in (row("local", plan=PLAN), row("prod", good=3))}
    engine.publish(replace(story.calm(), deploys=rows))
    window = opened(Wanted(place=engine.place))
    qtbot.waitUntil(lambda: bool(window.session.store.live.deploys), timeout=WITHIN_MS)
    drawer = window.panels.deploys

    QTest.keyClick(window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(drawer.button(DeployVerb.APPLY).isEnabled, timeout=WITHIN_MS)
    assert drawer.button(DeployVerb.APPLY).text() == "Approve the plan"
    QTest.mouseClick(drawer.button(DeployVerb.APPLY), LEFT)
    answer(window, Qt.Key.Key_Y)
    qtbot.waitUntil(lambda: len(engine.orders) == 1, timeout=WITHIN_MS)

    QTest.mouseClick(drawer.environment("prod"), LEFT)
    qtbot.waitUntil(lambda: drawer.chosen == "prod", timeout=WITHIN_MS)
    window.refresh()
    QTest.mouseClick(drawer.button(DeployVerb.ROLLBACK), LEFT)
    assert window.box is not None
    line = window.box.focusProxy()
    assert line is not None
    QTest.keyClicks(line, "prod")
    QTest.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(engine.orders) == 2, timeout=WITHIN_MS)

    approved, rolled_back = engine.orders
    assert isinstance(approved, DeployOrder)
    assert isinstance(rolled_back, DeployOrder)
    assert (approved.verb, approved.environment, approved.plan) == (
        DeployVerb.APPROVE, "local", PLAN,
    )  # fmt: skip
    assert (rolled_back.verb, rolled_back.typed_name) == (DeployVerb.ROLLBACK, "prod")
    press(window, Qt.Key.Key_D)
    assert drawer.isHidden()
    assert window.panels.drawer.isVisible()
