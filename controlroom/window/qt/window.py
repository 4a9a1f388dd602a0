"""The window: puts view, labels, panels and keys together, and lets them go again."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from pathlib import Path

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QLineEdit, QMainWindow, QWidget

from controlroom.hand import Hand
from controlroom.replaying import PlaceLike
from controlroom.window.actions import ACTIONS, GROUPS
from controlroom.window.cards import words_of
from controlroom.window.chores import Chores
from controlroom.window.qt.bar import TransportBar
from controlroom.window.qt.commanding import Commanding
from controlroom.window.qt.deploying import Deploying
from controlroom.window.qt.drawer import Drawer
from controlroom.window.qt.feed import Feed
from controlroom.window.qt.graphics import Drawing
from controlroom.window.qt.notes import Toast
from controlroom.window.qt.overlay import LabelLayer
from controlroom.window.qt.panels import Panels
from controlroom.window.qt.question import Box, KeyHelp
from controlroom.window.qt.rehearsing import Rehearsing
from controlroom.window.qt.style import SHEET
from controlroom.window.qt.view import SceneView
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.labels import labels
from controlroom.window.scene.picking import Picked, pick
from controlroom.window.session import Session
from engine.stream.deploying import DeployVerb
from engine.stream.wire import Command

STEP_RAD_PX = 40


class ControlRoomWindow(QMainWindow):
    """One window on one engine, or on one recording.

    Args:
        session: what is shown.
        place: where orders are signed for.
        feed: brings what a live engine says; none for a recording.
        keys: the viewer's own keys, by what they do.
        drawing: how the scene is drawn.
        zone: time zone of the clock; the machine's own without it.
    """

    def __init__(
        self,
        session: Session,
        place: PlaceLike,
        feed: Feed | None = None,
        *,
        drawing: Drawing,
        keys: Mapping[str, str] | None = None,
        zone: tzinfo | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.setWindowTitle("Incident Commander")
        self.setStyleSheet(SHEET)
        self.session = session
        self._feed = feed
        self._clock_s = clock_s
        self._chores = Chores()
        self._closed = False
        own = {action.id: (keys or {}).get(action.id, action.keys) for action in ACTIONS}
        first = {name: found.split(" ")[0] for name, found in own.items()}
        self.ground = QWidget(self)
        self.ground.setObjectName("ground")
        self.setCentralWidget(self.ground)
        self.view = SceneView(self.ground, session.scene.buffers, self._make_frame, drawing)
        self.labels = LabelLayer(self.ground)
        drawer = Drawer(self.ground, first, replayed=not session.live)
        self.panels = Panels(self.ground, session, drawer, TransportBar(self.ground, zone))
        self.toast = Toast(self.ground)
        self.search = QLineEdit(self.ground)
        self.search.setPlaceholderText("find an agent, a service or a link")
        self.search.hide()
        self.box: Box | None = None
        hand = Hand(place, lambda: time.time_ns() // 1_000_000)
        self.commanding = Commanding(self.ground, session, hand, self._send, self._say)
        self._shortcuts = self._bind(own)
        self._own = own
        self._connect()
        self.resize(1280, 800)

    def _connect(self) -> None:
        view, bar = self.view, self.panels.bar
        view.clicked.connect(self._clicked)
        view.visited.connect(self._visited)
        view.hovered.connect(self._hovered)
        view.turned.connect(lambda x, y: self.session.orbit.turn(x, y, self._clock_s()))
        view.panned.connect(
            lambda x, y: self.session.orbit.pan(x, y, self.view.height(), self._clock_s())
        )
        view.zoomed.connect(lambda steps: self.session.orbit.zoom(steps, self._clock_s()))
        bar.scrubbed.connect(lambda t_s: self.session.transport.scrub(t_s, self._clock_s()))
        bar.toggled.connect(lambda: self.session.transport.toggle(self._clock_s()))
        self.panels.drawer.ordered.connect(self.do)
        self.panels.deploys.ordered.connect(self._deploy)
        self.commanding.opened.connect(self._over)
        self.search.textChanged.connect(self.session.find)
        self.search.returnPressed.connect(self._visit_first)

    # --- living and dying ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Show the window and begin to draw."""
        if self._feed is not None:
            self._feed.start()
        self.show()
        self.activateWindow()
        self.view.start()
        self.refresh()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the thread, then the timers, then the drawing; nothing is left."""
        if not self._closed:
            self._closed = True
            if self._feed is not None:
                self._feed.stop()
            self.view.give_back()
        super().closeEvent(event)

    @property
    def is_closed(self) -> bool:
        """Whether it has been taken down."""
        return self._closed

    # --- every frame --------------------------------------------------------------------------------

    def _make_frame(self, width: int, height: int) -> Eye:
        now_s = self._clock_s()
        if self._feed is not None:
            self.session.take(*self._feed.take(), now_s)
        frame, eye = self.session.frame(now_s, width, height)
        chore = self._chores.due(now_s, self.session.orbit.pose(now_s))
        if chore.places_labels:
            self.labels.show_labels(labels(frame, eye), eye, self.panels.covered())
        if chore.refreshes_panels:
            self._hear()
            self.panels.refresh_next(frame, now_s)
        return eye

    def refresh(self) -> None:
        """Let everything that is written say what holds now."""
        frame = self.session.last_frame
        if frame is not None and not self._closed:
            self._hear()
            self.panels.refresh(frame, self._clock_s())

    def _hear(self) -> None:
        """Tell the viewer what the engine answered, and what the link has to say."""
        for reply in self.session.store.replies():
            self.commanding.tell(reply)
        for said in self.session.store.news():
            self._say(said, "✖" not in said)
        self.commanding.check()
        if self._feed is not None and self._feed.failure:
            self._say(f"the link failed: {self._feed.failure}", False)
            self._feed.failure = ""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Everything fills the window."""
        super().resizeEvent(event)
        self._lay_out()

    def _lay_out(self) -> None:
        """The scene fills what drawer and transport bar leave free."""
        free = self.panels.lay_out()
        self.view.setGeometry(free)
        self.labels.setGeometry(free)
        self.search.setGeometry((free.width() - 420) // 2, 84, 420, 40)

    # --- keys ---------------------------------------------------------------------------------------

    def _bind(self, own: Mapping[str, str]) -> list[QShortcut]:
        found = []
        for action in ACTIONS:
            for keys in own[action.id].split():
                shortcut = QShortcut(QKeySequence(keys), self)
                shortcut.setAutoRepeat(action.id.startswith(("turn", "nearer", "farther")))
                shortcut.activated.connect(lambda name=action.id: self.do(name))
                found.append(shortcut)
        return found

    def do(self, action: str) -> None:
        """Do what a key or a button is there for; ``actions.ACTIONS`` names them."""
        name = action.replace("-", "_")
        deed: Callable[[], None] | None = getattr(self, f"_do_{name}", None)
        if deed is None:
            self.commanding.give(action)
        else:
            deed()
        self.refresh()

    def _over(self, box: Box) -> None:
        """A box takes the keys until it closes."""
        if self.box is not None:
            self.box.leave()
        self.box = box
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
        box.closed.connect(lambda: self._left(box))

    def _left(self, box: Box) -> None:
        if self.box is not box:
            return
        self.box = None
        for shortcut in self._shortcuts:
            shortcut.setEnabled(True)
        self.setFocus()

    # --- time ---------------------------------------------------------------------------------------

    def _do_pause(self) -> None:
        self.session.transport.toggle(self._clock_s())

    def _do_earlier(self) -> None:
        self.session.transport.step(-1, self._clock_s())

    def _do_later(self) -> None:
        self.session.transport.step(1, self._clock_s())

    def _do_much_earlier(self) -> None:
        self._jump(-10.0)

    def _do_much_later(self) -> None:
        self._jump(10.0)

    def _jump(self, seconds: float) -> None:
        now_s = self._clock_s()
        transport = self.session.transport
        transport.scrub(transport.position(now_s) + seconds, now_s)

    def _do_slower(self) -> None:
        self.session.transport.faster(-1, self._clock_s())

    def _do_faster(self) -> None:
        self.session.transport.faster(1, self._clock_s())

    def _do_live(self) -> None:
        self.session.transport.follow(self._clock_s())

    def _do_skip_quiet(self) -> None:
        transport = self.session.transport
        transport.skip_quiet = not transport.skip_quiet
        self._say(f"quiet stretches are {'skipped' if transport.skip_quiet else 'played'}", True)

    # --- looking ------------------------------------------------------------------------------------

    def _do_overview(self) -> None:
        self.session.choose("")
        frame = self.session.last_frame
        reach = 5.2
        if frame is not None and len(frame.agents):
            reach = max(reach, float(abs(frame.agents[:, :2]).max()))
        self.session.orbit.home(self.view.width(), self.view.height(), self._clock_s(), reach)

    def _do_next_agent(self) -> None:
        self._visit(self.session.next_agent(1))

    def _do_previous_agent(self) -> None:
        self._visit(self.session.next_agent(-1))

    def _do_incident(self) -> None:
        frame = self.session.last_frame
        it = frame.episode if frame is not None else None
        if it is None or not it.service:
            self._say("no service is failing", True)
        else:
            self._visit(f"service:{it.service}")

    def _visit(self, thing: str) -> None:
        place = self.session.place_of(thing)
        if place is not None:
            self.session.visit(Picked(thing, place), self._clock_s())
            self._open_drawer(wanted=True)

    def _visit_first(self) -> None:
        found = self.session.choice.found
        self._do_clear()
        if found:
            self.session.choose(found[0])
            self._visit(found[0])
            self._open_drawer(wanted=True)

    def _do_search(self) -> None:
        self.search.clear()
        self.search.show()
        self.search.raise_()
        self.search.setFocus()

    def _do_clear(self) -> None:
        self.search.hide()
        self.setFocus()
        self.session.choose("")

    def _do_nearer(self) -> None:
        self.session.orbit.zoom(1, self._clock_s())

    def _do_farther(self) -> None:
        self.session.orbit.zoom(-1, self._clock_s())

    def _do_turn_left(self) -> None:
        self.session.orbit.turn(-STEP_RAD_PX, 0, self._clock_s())

    def _do_turn_right(self) -> None:
        self.session.orbit.turn(STEP_RAD_PX, 0, self._clock_s())

    def _do_turn_up(self) -> None:
        self.session.orbit.turn(0, STEP_RAD_PX, self._clock_s())

    def _do_turn_down(self) -> None:
        self.session.orbit.turn(0, -STEP_RAD_PX, self._clock_s())

    # --- the pointer --------------------------------------------------------------------------------

    def _under(self, at: QPointF) -> Picked | None:
        frame = self.session.last_frame
        if frame is None:
            return None
        size = (self.view.width(), self.view.height())
        return pick(frame, self.session.orbit.eye(*size, self._clock_s()), at.x(), at.y())

    def _clicked(self, at: QPointF) -> None:
        picked = self._under(at)
        self.session.choose(picked.id if picked is not None else "")
        if picked is not None:
            self._open_drawer(wanted=True)
        self.refresh()

    def _visited(self, at: QPointF) -> None:
        picked = self._under(at)
        if picked is None:
            self._do_overview()
        else:
            self.session.visit(picked, self._clock_s())

    def _hovered(self, at: QPointF) -> None:
        shape = Qt.CursorShape.PointingHandCursor if self._under(at) else Qt.CursorShape.ArrowCursor
        if self.view.cursor().shape() != shape:
            self.view.setCursor(shape)

    # --- the screen ---------------------------------------------------------------------------------

    def _open_drawer(self, *, wanted: bool) -> None:
        self.panels.open_drawer(self.panels.drawer if wanted else None)
        self._lay_out()

    def _do_deploy(self) -> None:
        drawer = self.panels.deploys
        self.panels.open_drawer(None if drawer.isVisible() else drawer)
        self._lay_out()

    def _do_drawer(self) -> None:
        self._open_drawer(wanted=not self.panels.drawer.isVisible())

    def _do_legend(self) -> None:
        self.panels.legend_wanted = not self.panels.legend_wanted

    def _do_drill(self) -> None:
        Rehearsing(self.commanding, self.ground, self.session.store).offer()

    def _do_presentation(self) -> None:
        self.present(on=not self.panels.presenting)

    def present(self, *, on: bool) -> None:
        """Let the incident tell itself, or go back to work."""
        self.panels.presenting = on
        if on:
            self._open_drawer(wanted=False)
            self._do_overview()
        now_s = self._clock_s()
        self.session.transport.pace(1.0, now_s)
        if on and not self.session.live:
            self.session.transport.play(now_s)

    def _do_reduced_motion(self) -> None:
        still = not self.session.scene.still
        self.session.scene.still = self.session.orbit.still = still
        self._say("less motion" if still else "all motion", True)

    def _do_full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def _do_screenshot(self) -> None:
        name = f"incident-commander-{datetime.now().astimezone():%Y%m%d-%H%M%S}.png"
        path = Path.cwd() / name
        saved = self.grab().save(str(path))
        self._say(f"saved {path}" if saved else f"{path}: cannot be written", saved)

    def _do_copy(self) -> None:
        card = self.panels.drawer.card
        words = words_of(card) if card is not None else ""
        if words:
            QGuiApplication.clipboard().setText(words)
            self._say("copied", True)

    def _do_keys(self) -> None:
        groups = [
            (
                group,
                [
                    (self._own[it.id].replace(" ", "  "), it.words)
                    for it in ACTIONS
                    if it.group == group
                ],
            )
            for group in GROUPS
        ]
        box = KeyHelp(self.ground, groups)
        self._over(box)
        box.open()

    def _do_quit(self) -> None:
        self.close()

    def _say(self, words: str, good: bool) -> None:
        self.toast.say(words, good=good)

    def _deploy(self, environment: str, verb: str) -> None:
        hand = Deploying(self.commanding, self.ground, self.session.store)
        hand.order(environment, DeployVerb(verb))

    def _send(self, command: Command) -> None:
        if self._feed is not None:
            self._feed.send(command)
