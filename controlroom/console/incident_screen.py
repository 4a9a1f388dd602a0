"""The Incident screen: paints what the store shows into panels, and only what has changed."""

from datetime import tzinfo

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer, Static

from controlroom.console.arrange import (
    LEAST_HEIGHT,
    LEAST_WIDTH,
    Box,
    Wishes,
    arrange,
    is_too_small,
)
from controlroom.console.draw.council import council_lines, swarm_summary
from controlroom.console.draw.fleet import fleet_lines
from controlroom.console.draw.incident import banner_lines, plan_lines, top_line
from controlroom.console.draw.ledger import ledger_lines
from controlroom.console.draw.slo import slo_lines, slo_title
from controlroom.console.draw.text import Line
from controlroom.console.draw.timeline import key_of, timeline_lines, whole_text
from controlroom.console.panel import Panel
from controlroom.store import LinkStatus, Store
from engine.stream.state import ScreenState

PANELS = ("plan", "fleet", "timeline", "council", "slo", "ledger")
WIDE_FOOTER = 100
_INSET = 2
"""Cells that a panel's padding takes off its width."""


class IncidentScreen(Screen[None]):
    """What is broken, how it spreads, what the swarm does about it, and what a person may do."""

    AUTO_FOCUS = "#timeline"

    def __init__(self, zone: tzinfo | None) -> None:
        super().__init__()
        self._zone = zone
        self._painted: ScreenState | None = None
        self._boxes: dict[str, Box] = {}
        self._top = Panel(id="top", choosing=False)
        self._banners = Panel(id="banners", choosing=False)
        self._panels = {
            name: Panel(id=name, follow=name in ("timeline", "ledger"), choosing=name != "slo")
            for name in PANELS
        }
        self._small = Static(id="small", markup=False)
        self._footer = Footer(compact=True)

    def compose(self) -> ComposeResult:
        """Top line, banners, panels, keys."""
        yield self._top
        yield self._banners
        yield Container(*self._panels.values(), self._small, id="body")
        yield self._footer

    def on_resize(self) -> None:
        """Everything has to be laid out anew."""
        self._painted = None
        # Below this width the palette's key would lie over the others; it works all the same.
        self._footer.show_command_palette = self.size.width >= WIDE_FOOTER

    def paint(self, store: Store, now_ns: int) -> None:
        """Show what ``store`` shows; cheap when nothing has changed."""
        width, height = self.size
        self._top.show([top_line(store, now_ns, width, self._zone)])
        banners = banner_lines(store, now_ns, width, self._zone)
        wanted = self._banners.styles.height
        if wanted is None or wanted.value != len(banners):
            self._banners.styles.height = len(banners)
            self._painted = None
        self._banners.show(banners)
        self.set_class(store.status(now_ns) in (LinkStatus.WAITING, LinkStatus.STALE), "old")
        state = store.shown
        if state is self._painted:
            return
        self._painted = state
        small = is_too_small(width, height)
        self.set_class(small, "small")
        if small:
            self._small.update(
                f"this terminal has {width}×{height} cells;\n"
                f"the incident screen needs {LEAST_WIDTH}×{LEAST_HEIGHT}"
            )
            return
        self._paint_panels(state, width, height - 2 - len(banners))

    def _paint_panels(self, state: ScreenState, width: int, height: int) -> None:
        plan_width = self._width("plan", width)
        plan = plan_lines(state, plan_width, self._zone)
        fleet = fleet_lines(state, self._width("fleet", width))
        council = council_lines(state, self._width("council", width))
        wishes = Wishes(len(plan), len(fleet[1]) + 1, len(council[1]) + 1)
        boxes = arrange(width, height, wishes)
        if boxes != self._boxes:
            widths_as_before = all(
                name in self._boxes and self._boxes[name].width == box.width
                for name, box in boxes.items()
            )
            self._lay_out(boxes)
            if not widths_as_before:
                self._paint_panels(state, width, height)  # Once more, with the new widths.
                return
        self._fill("plan", plan)
        if "fleet" in boxes and boxes["fleet"].height < wishes.fleet + 1:
            fleet = fleet_lines(state, self._width("fleet", width), ailing_first=True)
        self._fill("fleet", fleet[1], fleet[0])
        self._fill("council", council[1], council[0])
        self._fill(
            "timeline", timeline_lines(state.timeline, self._width("timeline", width), self._zone)
        )
        if "slo" in boxes:
            box = boxes["slo"]
            self._fill("slo", slo_lines(state, box.width - _INSET, box.height - 1))
        if "ledger" in boxes:
            head, rows = ledger_lines(state.ledger, self._width("ledger", width), self._zone)
            self._fill("ledger", rows, head)
        self._title(state)

    def _title(self, state: ScreenState) -> None:
        incident = state.incident
        attempt = f", attempt {incident.attempt}" if incident and incident.attempt > 1 else ""
        frozen = " ❄ frozen" if state.swarm and state.swarm.frozen else ""
        titles = {
            "plan": f"plan{attempt}{frozen}",
            "fleet": "fleet",
            "timeline": "timeline",
            "council": f"council  {swarm_summary(state)}",
            "slo": slo_title(state.slo, self._width("slo", self.size.width)),
            "ledger": "ledger",
        }
        for name, title in titles.items():
            panel = self._panels[name]
            if panel.border_title != title:
                panel.border_title = title

    def _width(self, name: str, otherwise: int) -> int:
        return (self._boxes[name].width if name in self._boxes else otherwise) - _INSET

    def _fill(self, name: str, lines: list[Line], head: Line | None = None) -> None:
        if name in self._boxes:
            self._panels[name].show(lines, head)

    def _lay_out(self, boxes: dict[str, Box]) -> None:
        for name, panel in self._panels.items():
            box = boxes.get(name)
            panel.display = box is not None
            if box is not None and box != self._boxes.get(name):
                panel.styles.offset = (box.x, box.y)
                panel.styles.width = box.width
                panel.styles.height = box.height
        self._boxes = boxes

    def chosen_text(self, state: ScreenState) -> str:
        """What the viewer would copy: the chosen thing of the focused panel, whole."""
        panel = self.focused
        if not isinstance(panel, Panel):
            return ""
        if panel.id == "timeline":
            for entry in state.timeline:
                if key_of(entry) == panel.chosen:
                    return whole_text(entry, self._zone)
        return panel.chosen_text
