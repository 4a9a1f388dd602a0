"""Laws of the screens: panels never overlap, text always fits, and orders hit what was shown."""

import string
from collections.abc import Callable
from datetime import UTC
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace
from rich.cells import cell_len
from textual.geometry import Region

from controlroom import orders
from controlroom.console.arrange import LEAST_HEIGHT, LEAST_WIDTH, Wishes, arrange
from controlroom.console.draw.council import council_lines
from controlroom.console.draw.fleet import causes_of, fleet_lines
from controlroom.console.draw.incident import banner_lines, plan_lines, top_line
from controlroom.console.draw.ledger import ledger_lines
from controlroom.console.draw.slo import slo_lines, worst_by_column
from controlroom.console.draw.text import Line, clean, fitted
from controlroom.console.draw.timeline import timeline_lines
from controlroom.store import HISTORY, LinkStatus, Store
from engine.stream.commands import Shown
from engine.stream.connection import Answered, Connected, Received, Waiting
from engine.stream.state import Health, LinkRow, ScreenState, ServiceRow, TimelineEntry
from engine.stream.wire import Reply, Snapshot
from tests.story import START_MS, calm, story

frames = st.sampled_from(story())
widths = st.integers(LEAST_WIDTH, 240)
rows = st.integers(0, 40)

# --- where panels lie ----------------------------------------------------------------------------


@given(widths, st.integers(LEAST_HEIGHT - 2, 90), rows, rows, rows)
def test_panels_lie_inside_the_screen_and_never_overlap(
    width: int, height: int, plan: int, fleet: int, council: int
) -> None:
    boxes = arrange(width, height, Wishes(plan, fleet, council))

    regions = [Region(*box) for box in boxes.values()]
    assert all(Region(0, 0, width, height).contains_region(region) for region in regions)
    assert not any(one.overlaps(other) for one, other in combinations(regions, 2))
    assert {"plan", "timeline"} <= boxes.keys()


@given(st.integers(80, 240), st.integers(22, 90))
def test_a_panel_is_kept_before_what_matters_less(width: int, height: int) -> None:
    boxes = arrange(width, height, Wishes(6, 10, 6))

    assert {"fleet", "council"} <= boxes.keys()
    if "ledger" in boxes:
        assert "slo" in boxes


# --- what stands in them -------------------------------------------------------------------------


def _all_lines(state: ScreenState, width: int) -> list[Line]:
    store = Store()
    store.take(Connected("ws://127.0.0.1:1"))
    store.take(Received(Snapshot(1, 1, state), 0))
    fleet_head, fleet = fleet_lines(state, width)
    council_head, council = council_lines(state, width)
    ledger_head, ledger = ledger_lines(state.ledger, width, UTC)
    return [
        top_line(store, 0, width, UTC),
        *banner_lines(store, 9_000_000_000, width, UTC),
        *plan_lines(state, width, UTC),
        *timeline_lines(state.timeline, width, UTC),
        *slo_lines(state, width, 8),
        fleet_head,
        *fleet,
        council_head,
        *council,
        ledger_head,
        *ledger,
    ]


@settings(max_examples=40)
@given(frames, st.integers(36, 200), st.text(max_size=60))
def test_no_line_is_wider_than_its_panel_and_none_gives_the_terminal_an_order(
    state: ScreenState, width: int, evil: str
) -> None:
    entry = TimelineEntry(START_MS, 1, "noted", "anna", evil + "\x1b[2J")
    services = dict(state.services)
    services["cart"] = replace(services["cart"], note=evil + "\x9b", health=Health.BROKEN)
    told = replace(state, timeline=(*state.timeline, entry), services=services, notices=(evil,))
    if told.incident is not None:
        told = replace(told, incident=replace(told.incident, title=evil, plan=evil + "\r"))

    for line in _all_lines(told, width):
        assert cell_len(line.text) <= width, line.text
        assert line.text.isprintable(), line.text


@given(st.text(), st.integers(0, 80), st.booleans())
def test_fitted_text_has_exactly_its_width(text: str, width: int, right: bool) -> None:
    assert cell_len(fitted(clean(text), width, right=right)) == width


@given(st.lists(st.integers(0, 1000), max_size=130).map(tuple), st.integers(1, 12))
def test_a_column_shows_the_worst_second_of_its_slice(
    history: tuple[int, ...], seconds: int
) -> None:
    columns = worst_by_column(history, seconds)

    assert len(columns) == -(-len(history) // seconds)
    assert max(columns, default=0) == max((1000 - good for good in history), default=0)
    if history:
        assert columns[-1] == 1000 - min(history[-seconds:])


names = st.sampled_from(string.ascii_lowercase[:6])


@given(st.dictionaries(names, st.sampled_from(Health)), st.sets(st.tuples(names, names)))
def test_whoever_suffers_does_so_from_somebody_who_ails(
    healths: dict[str, Health], calls: set[tuple[str, str]]
) -> None:
    services = {
        name: ServiceRow(name, health, "1", 1, 1.0, 0.0, 1.0) for name, health in healths.items()
    }
    links = {f"{a}>{b}": LinkRow(a, b, 1.0, 0.5, 1.0) for a, b in calls}
    ailing = {name for name, health in healths.items() if health in (Health.WARN, Health.BROKEN)}

    causes = causes_of(services, links)

    assert causes.keys() == ailing
    assert set(causes.values()) <= ailing
    _, lines = fleet_lines(ScreenState(services=services, links=links), 100)
    assert set(services) <= {line.key for line in lines}
    assert len([line for line in lines if line.key in services]) == len(services)


# --- what may be ordered -------------------------------------------------------------------------

CHANGES: list[Callable[[ScreenState], ScreenState]] = [
    lambda state: replace(state, incident=None),
    lambda state: replace(state, incident=_with(state, version=99)),
    lambda state: replace(state, incident=_with(state, key="shop/checkout#2")),
    lambda state: replace(state, incident=_with(state, plan_digest="cd" * 32)),
]


def _with(state: ScreenState, **changes: object) -> object:
    assert state.incident is not None
    return replace(state.incident, **changes)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", range(5, 15))
def test_an_order_is_void_as_soon_as_anything_it_names_has_moved(
    place: int, change: Callable[[ScreenState], ScreenState]
) -> None:
    state = story()[place]
    assert state.incident is not None
    shown = Shown.of(state.incident)

    assert orders.why_void(shown, state) == ""
    assert orders.why_void(shown, change(state)) != ""


@given(frames, st.randoms())
def test_what_else_moves_on_the_screen_does_not_void_an_order(
    state: ScreenState, random: object
) -> None:
    if state.incident is None:
        return
    shuffled = list(state.agents.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    moved = replace(state, at_ms=state.at_ms + 5000, agents=dict(shuffled), timeline=())

    assert orders.why_void(Shown.of(state.incident), moved) == ""


# --- the store -----------------------------------------------------------------------------------


class StoreMachine(RuleBasedStateMachine):
    """Anything may happen to a store in any order; what it shows stays explicable."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.now_ns = 0
        self.arrived: list[ScreenState] = []

    @rule(seconds=st.integers(0, 5))
    def time_passes(self, seconds: int) -> None:
        self.now_ns += seconds * 1_000_000_000

    @rule(many=st.sampled_from([1, 1, 3, HISTORY + 5]), gap=st.integers(0, 2))
    def states_arrive(self, many: int, gap: int) -> None:
        for _ in range(many):
            state = ScreenState(at_ms=len(self.arrived))
            self.arrived.append(state)
            snapshot = Snapshot(1, len(self.arrived), state, gap > 0, gap)
            self.store.take(Received(snapshot, self.now_ns))

    @rule()
    def connects(self) -> None:
        self.store.take(Connected("x"))
        assert self.store.status(self.now_ns) is not LinkStatus.WAITING

    @rule()
    def breaks(self) -> None:
        self.store.take(Waiting("broken", self.now_ns + 5, 1))
        assert self.store.status(self.now_ns) is LinkStatus.WAITING
        assert self.store.reason == "broken"

    @rule(by=st.integers(-700, 700))
    def steps(self, by: int) -> None:
        before = self.store.shown.at_ms
        self.store.step(by)
        after = self.store.shown.at_ms
        assert (after - before) * by >= 0, "a step goes where it says"

    @rule()
    def pauses(self) -> None:
        before = self.store.shown
        self.store.pause()
        assert self.store.shown is before

    @precondition(lambda self: self.store.paused)
    @rule()
    def resumes(self) -> None:
        self.store.resume()
        assert self.store.shown is self.store.live

    @rule()
    def replies_come(self) -> None:
        self.store.take(Answered(Reply("c", accepted=True)))
        assert self.store.replies()
        assert not self.store.replies()

    @invariant()
    def what_is_live_is_the_newest(self) -> None:
        assert self.store.live == (self.arrived[-1] if self.arrived else ScreenState())

    @invariant()
    def how_far_behind_is_told_exactly(self) -> None:
        assert self.store.shown.at_ms == self.store.live.at_ms - self.store.behind
        assert self.store.behind >= 0
        assert self.store.behind_ns >= 0


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_store_that_hears_nothing_for_three_seconds_is_stale() -> None:
    store = Store()
    store.take(Connected("x"))
    assert store.status(0) is LinkStatus.CONNECTING
    store.take(Received(Snapshot(1, 1, calm()), 0))

    assert store.status(3_000_000_000) is LinkStatus.LIVE
    assert store.status(3_000_000_001) is LinkStatus.STALE
