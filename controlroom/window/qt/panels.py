"""The panels over the scene: which of them there are, what each says now, and where it stands."""

from PySide6.QtCore import QRect
from PySide6.QtWidgets import QWidget

from controlroom.store import LinkStatus
from controlroom.window.captions import Presenter, cues, pace
from controlroom.window.cards import Card, council_card, incident_card, legend_card, notice_rows
from controlroom.window.inspecting import details
from controlroom.window.qt.bar import HEIGHT, Passage, TransportBar
from controlroom.window.qt.deploy_drawer import DeployDrawer
from controlroom.window.qt.drawer import WIDE, Drawer
from controlroom.window.qt.notes import CAPTION_HIGH, CaptionStrip, stale_card, waiting_card
from controlroom.window.qt.overlay import Panel
from controlroom.window.scene.model import Frame
from controlroom.window.session import Session
from controlroom.window.transport import Mode

EDGE = 16
INCIDENT_WIDE, COUNCIL_WIDE, LEGEND_WIDE, NOTICE_WIDE = 336, 268, 292, 470
MOST_COVERED = 0.3
"""Of a low window, captions may lie over more than the picture gives way for."""
NARROW, NARROWEST = 900, 560
"""Where the scene has less width, the legend and the council's panel would lie over each other; and the
incident's panel over what the drawer tells of."""


class Panels:
    """Everything that is written over the scene, apart from its labels.

    Args:
        ground: the widget they lie on.
        session: what they tell of.
        drawer: at the right edge.
        bar: at the bottom.
    """

    def __init__(
        self, ground: QWidget, session: Session, drawer: Drawer, bar: TransportBar
    ) -> None:
        self._ground = ground
        self._session = session
        self.drawer = drawer
        self.bar = bar
        self.incident = Panel(ground, INCIDENT_WIDE)
        self.council = Panel(ground, COUNCIL_WIDE)
        self.legend = Panel(ground, LEGEND_WIDE)
        self.notices = Panel(ground, NOTICE_WIDE)
        self.caption = CaptionStrip(ground)
        self.presenting = False
        self._presenter = Presenter()
        self.legend_wanted = False
        self.deploys = DeployDrawer(ground, replayed=not session.live)
        self._parts = (
            self._say_incident, self._say_council, self._say_notices, self._say_drawers, self._say_passage,
        )  # fmt: skip
        self._next = 0
        drawer.hide()
        self.deploys.hide()
        self.legend.hide()

    def lay_out(self) -> QRect:
        """Put everything where it belongs for the size of the window; what is free for the scene."""
        width, height = self._ground.width(), self._ground.height()
        free = self._free
        bottom = height - HEIGHT - 12
        for each in (self.drawer, self.deploys):
            each.setGeometry(width - WIDE, 0, WIDE, height)
        self.bar.setGeometry(EDGE, bottom, free - 2 * EDGE, HEIGHT)
        self.incident.move(EDGE, EDGE)
        self.council.move(free - COUNCIL_WIDE - EDGE, EDGE)
        self.legend.move(EDGE, bottom - 12 - self.legend.height())
        left = EDGE + INCIDENT_WIDE + 12
        right = free - COUNCIL_WIDE - EDGE - 12
        notice = min(NOTICE_WIDE, max(240, right - left))
        self.notices.move((left + right - notice) // 2, EDGE)
        self.caption.setGeometry(0, bottom - CAPTION_HIGH - 4, free, CAPTION_HIGH)
        seen = QRect(0, 0, free, bottom - 10)
        share = min(MOST_COVERED, CAPTION_HIGH / max(1, seen.height()))
        self._session.orbit.covered = share if self.presenting else 0.0
        return seen

    def open_drawer(self, drawer: QWidget | None) -> None:
        """Let one of the drawers be open, or none."""
        for each in (self.drawer, self.deploys):
            each.setVisible(each is drawer)
        if drawer is not None:
            drawer.raise_()

    def covered(self) -> list[QRect]:
        """Where the picture cannot be seen: labels keep out of there."""
        shown = (self.incident, self.council, self.legend, self.notices)
        found = [panel.geometry() for panel in shown if not panel.isHidden()]
        return found if self.caption.isHidden() else [*found, self.caption.covered]

    @property
    def painted(self) -> int:
        """How often any of them was painted anew."""
        panels = (self.incident, self.council, self.legend, self.notices)
        return sum(panel.painted for panel in panels) + self.bar.painted

    def refresh(self, frame: Frame, now_s: float) -> None:
        """Say what holds now; whatever says the same as before costs nothing."""
        for part in self._parts:
            part(frame, now_s)
        self.lay_out()

    def refresh_next(self, frame: Frame, now_s: float) -> None:
        """Say a part of it, the next one: all in one frame would make that frame a long one."""
        self._parts[self._next](frame, now_s)
        self._next = (self._next + 1) % len(self._parts)
        if self._next == 0:
            self.lay_out()

    def _say_drawers(self, frame: Frame, _now_s: float) -> None:
        store = self._session.store
        self.drawer.allow(store.live)
        if self.drawer.isVisible():
            thing = self._session.choice.thing
            kind, _, number = thing.partition(":")
            sent = self._session.message(int(number)) if kind == "message" else None
            self.drawer.inspect(details(thing, frame, sent) if thing else None)
        if self.deploys.isVisible():
            self.deploys.show_state(store.live)

    def _say_passage(self, frame: Frame, now_s: float) -> None:
        timeline = self._session.timeline
        shown = self._session.transport.shown(now_s)
        last_s = max(timeline.last_s, shown.t_s) if self._session.live else timeline.last_s
        self.bar.show_passage(
            Passage(
                shown, timeline.first_s, last_s, timeline.marks(), frame.state, self._session.live
            )
        )

    @property
    def _free(self) -> int:
        """The width that a drawer leaves."""
        opened = self.drawer.isVisible() or self.deploys.isVisible()
        return self._ground.width() - (WIDE if opened else 0)

    @property
    def _is_wide(self) -> bool:
        return self._free >= NARROW

    def _say_incident(self, frame: Frame, now_s: float) -> None:
        self.caption.setVisible(self.presenting)
        if self.presenting:
            self._tell(frame, now_s)
        shown = self._free >= NARROWEST and not self.presenting
        self._show(self.incident, incident_card(frame.state) if shown else None)

    def _say_council(self, frame: Frame, _now_s: float) -> None:
        shown = self._is_wide and not self.presenting
        self._show(self.council, council_card(frame) if shown else None)

    def _say_notices(self, frame: Frame, now_s: float) -> None:
        legend = self.legend_wanted and self._is_wide and not self.presenting
        self._show(self.legend, legend_card(frame) if legend else None)
        self._show(self.notices, self._notice(frame, now_s))

    def _tell(self, frame: Frame, now_s: float) -> None:
        """Say the next sentence of the presentation, and let the camera look at what it tells."""
        session = self._session
        transport = session.transport
        said = self._presenter.step(now_s, frame.t_s, cues(session.timeline.marks()), frame.state)
        if said.caption != self.caption.caption:
            session.look_at(
                said.caption.looks_at, now_s, self._ground.width(), self._ground.height()
            )
        self.caption.say(said.caption)
        speed = pace(said, frame.state, live=session.live)
        if transport.mode is Mode.PLAYING or (transport.mode is Mode.FOLLOWING and speed < 1):
            transport.pace(speed, now_s)

    def _notice(self, frame: Frame, now_s: float) -> Card | None:
        """What a person must know now: first of all whether what he sees is true."""
        store = self._session.store
        now_ns = int(now_s * 1e9)
        status = store.status(now_ns)
        retry_s = -(-store.retry_in_ns(now_ns) // 1_000_000_000)
        if self._session.live and store.is_empty:
            return waiting_card(store.reason, retry_s, "")
        if status in (LinkStatus.STALE, LinkStatus.WAITING):
            return stale_card(
                store.reason or "the engine is silent", store.age_ns(now_ns) / 1e9, retry_s
            )
        rows = notice_rows(frame.state)
        return Card("", rows) if rows else None

    @staticmethod
    def _show(panel: Panel, card: Card | None) -> None:
        panel.show_card(card)
        if card is not None and panel.isHidden():
            panel.show()
