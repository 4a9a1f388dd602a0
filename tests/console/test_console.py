"""The console as its user meets it: real app, real hub, real signatures, at three sizes."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from controlroom.console.app import ConsoleApp, Leave
from controlroom.console.modals import Details, NoteInput, Question
from controlroom.console.panel import Panel
from controlroom.replaying import Replayed
from engine import genesis as constitution
from engine.codec import NO_DIGEST, decode
from engine.genesis import Genesis, Member
from engine.paths import RunPaths
from engine.signing import Domain, Ed25519Signer, Ed25519Verifier
from engine.stream.hub import Hub, open_hub
from engine.stream.recording import Frame, Recording
from engine.stream.runs import Place
from engine.stream.state import ScreenState
from engine.stream.wire import Command, Reply
from engine.vocabulary import (
    AgentId,
    Approved,
    AuthorId,
    Frozen,
    Noted,
    Operation,
    Refused,
    Role,
    Signed,
    Submission,
    TakenOver,
    Thawed,
)
from tests import story
from tests.until import until

if TYPE_CHECKING:
    from textual.pilot import Pilot


def _waiting_plan() -> ScreenState:
    """A plan that needs an operator's yes."""
    state = story.calm()
    for step in (story.failing, story.opened, story.corroborated, story.diagnosed):
        state = step(state)
    return story.proposed(state, ask=True)


class Stage:
    """A run with a hub that plays the engine's part, and a console in front of it."""

    def __init__(self, folder: Path) -> None:
        self.paths = RunPaths(folder / "run").make()
        self.key = Ed25519Signer.load_or_create(self.paths.operator_key)
        members = tuple(
            Member(AgentId(AuthorId(name)), Role(role), bytes([place]) * 32)
            for place, (name, role) in enumerate(story.AGENTS.items())
        )
        operators = {AuthorId("anna"): self.key.public_key}
        digests = (NO_DIGEST, NO_DIGEST, NO_DIGEST)
        genesis = Genesis("shop", b"n" * 32, 1, 5, 1, members, operators, b"a" * 32, b"", *digests)
        constitution.write(genesis, self.paths.genesis)
        self.place = Place(root=self.paths.root)
        self.commands: list[Operation] = []
        self.refuse_with = ""

    async def take(self, command: Command) -> Reply:
        """Check a command as the council would."""
        signed = decode(command.payload, Signed)
        assert Ed25519Verifier().verify(
            self.key.public_key, Domain.SUBMISSION, signed.payload, signed.signature
        )
        self.commands += decode(signed.payload, Submission).operations
        return Reply(command.id, not self.refuse_with, self.refuse_with)

    @asynccontextmanager
    async def engine(self, state: ScreenState) -> AsyncGenerator[Hub]:
        """The engine, showing ``state``."""
        async with open_hub(self.paths, epoch=1, on_command=self.take) as hub:
            hub.publish(state)
            yield hub

    @asynccontextmanager
    async def console(
        self, size: tuple[int, int] = (140, 45), *, started_by_up: bool = False
    ) -> AsyncGenerator[tuple[ConsoleApp, "Pilot[Leave]"]]:
        """The console, alone."""
        app = ConsoleApp(self.place, zone=UTC, started_by_up=started_by_up)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot

    @asynccontextmanager
    async def both(
        self, state: ScreenState, size: tuple[int, int] = (140, 45)
    ) -> AsyncGenerator[tuple[Hub, ConsoleApp, "Pilot[Leave]"]]:
        """Engine and console, once the console shows ``state``."""
        async with self.engine(state) as hub, self.console(size) as (app, pilot):
            await until(lambda: app.store.live == state)
            await until(lambda: state.incident is None or "incident" not in text_of(app, "plan"))
            yield hub, app, pilot


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def text_of(app: ConsoleApp, panel: str) -> str:
    """What a panel shows now."""
    found = app.screen_stack[1].query_one(f"#{panel}", Panel)
    if not found.display:
        return ""
    return "\n".join(found.render_line(y).text.rstrip() for y in range(found.size.height))


def whole_screen(app: ConsoleApp) -> str:
    """All cells of the screen, as a terminal would show them."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def press(pilot: "Pilot[Leave]", *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


# --- a replay ------------------------------------------------------------------------------------


async def test_a_replay_is_called_one_and_takes_no_orders() -> None:
    frames = tuple(Frame(0, state) for state in story.story())
    place = Replayed(Recording("ledger.sqlite", frames), time.monotonic_ns)
    app = ConsoleApp(place, zone=UTC)
    async with app.run_test(size=(140, 45)) as pilot:
        await until(lambda: app.store.live is frames[-1].state)
        await until(lambda: "▷ replay" in text_of(app, "top"))
        assert "RECOVERED" in text_of(app, "top")

        await press(pilot, "space")
        await press(pilot, "y")
        await until(lambda: any("this is a replay" in note.message for note in app._notifications))


# --- what it shows -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(140, 45), (80, 24), (60, 16), (200, 60)])
async def test_the_top_line_says_what_and_how_bad(stage: Stage, size: tuple[int, int]) -> None:
    async with stage.both(_waiting_plan(), size) as (_, app, _):
        await until(lambda: "PROPOSED" in text_of(app, "top"))
        top = text_of(app, "top")

        assert "payments crash" in top
        assert "live" in top
        if size[0] >= 80:
            assert "checkout 62 % good" in top
            assert "swarm 5/5" in top
        if size[0] >= 140:
            assert "since 14:13:22" in top
            assert "fault budget 1/1" in top


async def test_at_140_columns_everything_is_there(stage: Stage) -> None:
    async with stage.both(story.story()[-1]) as (_, app, _):
        await until(lambda: "recovered" in text_of(app, "timeline"))

        assert "◆" not in text_of(app, "fleet")
        assert "♛ resolution-1" in text_of(app, "council")
        assert "✓ accept" in text_of(app, "council")
        assert "certified 5be1d04a" in text_of(app, "plan")
        assert "acted by actuator" in text_of(app, "ledger")
        assert "now" in text_of(app, "slo")


async def test_the_fleet_says_who_suffers_from_whom(stage: Stage) -> None:
    async with stage.both(story.failing(story.calm())) as (_, app, _):
        await until(lambda: "broken" in text_of(app, "fleet"))
        rows = {row.split()[0]: row for row in text_of(app, "fleet").splitlines() if row.split()}

        assert "◂ payments" in rows["gateway"]
        assert "◂ payments" in rows["customers"]
        assert "◆ exited: signal 9" in text_of(app, "fleet")


@pytest.mark.parametrize(("size", "gone"), [((80, 24), {"ledger"}), ((60, 16), {"slo", "council"})])
async def test_a_small_terminal_drops_what_matters_least(
    stage: Stage, size: tuple[int, int], gone: set[str]
) -> None:
    async with stage.both(_waiting_plan(), size) as (_, app, _):
        for panel in gone:
            assert text_of(app, panel) == ""
        for panel in ("plan", "fleet", "timeline"):
            assert text_of(app, panel) != ""
        assert "APPROVAL" in text_of(app, "plan")


async def test_below_its_least_size_it_says_so(stage: Stage) -> None:
    async with stage.both(story.calm(), (50, 12)) as (_, app, _):
        await until(lambda: "60×16" in whole_screen(app))


async def test_it_starts_without_an_engine_and_waits_visibly(stage: Stage) -> None:
    async with stage.console() as (app, _):
        await until(lambda: "NOT CONNECTED" in text_of(app, "banners"))
        assert "not up yet" in text_of(app, "banners")
        assert "no engine" in text_of(app, "top")

        async with stage.engine(story.calm()):
            await until(lambda: "NO INCIDENT" in text_of(app, "top"))
            assert text_of(app, "banners") == ""
        await until(lambda: "shown as of" in text_of(app, "banners"))
        assert "gateway" in text_of(app, "fleet")


async def test_frozen_is_told_on_a_banner(stage: Stage) -> None:
    state = story.calm()
    assert state.swarm is not None
    frozen = replace(state, swarm=replace(state.swarm, frozen=True), notices=("quorum lost",))
    async with stage.both(frozen) as (_, app, _):
        await until(lambda: "FROZEN" in text_of(app, "banners"))
        assert "quorum lost" in text_of(app, "banners")


async def test_colour_is_never_the_only_sign(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage.both(story.failing(story.calm())) as (_, app, _):
        await until(lambda: "✖ broken" in text_of(app, "fleet"))
        assert "▲ warn" in text_of(app, "fleet")
        assert "✖ red" in text_of(app, "slo")


# --- what its keys do ----------------------------------------------------------------------------


async def test_an_approval_names_exactly_what_was_shown(stage: Stage) -> None:
    state = _waiting_plan()
    assert state.incident is not None
    async with stage.both(state) as (_, app, pilot):
        await press(pilot, "a")
        assert isinstance(app.screen, Question)
        await press(pilot, "y")
        await until(lambda: stage.commands)

        (approved,) = stage.commands
        assert isinstance(approved, Approved)
        assert approved.incident == state.incident.key
        assert approved.version == state.incident.version
        assert approved.plan.hex() == state.incident.plan_digest


@pytest.mark.parametrize("key", ["enter", "escape", "n", "x"])
async def test_no_is_the_answer_unless_somebody_says_yes(stage: Stage, key: str) -> None:
    async with stage.both(_waiting_plan()) as (_, app, pilot):
        await press(pilot, "a", key)
        if isinstance(app.screen, Question):
            await press(pilot, "escape")

        assert not isinstance(app.screen, Question)
        assert stage.commands == []


async def test_a_confirm_is_void_once_the_incident_moved_on(stage: Stage) -> None:
    state = _waiting_plan()
    assert state.incident is not None
    async with stage.both(state) as (hub, app, pilot):
        await press(pilot, "a")
        question = app.screen
        assert isinstance(question, Question)
        hub.publish(replace(state, incident=replace(state.incident, version=9)))
        await until(lambda: question.void_reason)
        assert "from version 4 to 9" in question.void_reason
        await press(pilot, "y")

        assert app.screen is not question
        await asyncio.sleep(0)
        assert stage.commands == []


async def test_an_approval_of_a_paused_and_outdated_plan_is_void(stage: Stage) -> None:
    state = _waiting_plan()
    assert state.incident is not None
    async with stage.both(state) as (hub, app, pilot):
        await press(pilot, "p")
        moved = replace(state, incident=replace(state.incident, plan_digest="cd" * 32, version=5))
        hub.publish(moved)
        await until(lambda: app.store.live == moved)
        await press(pilot, "a")
        question = app.screen
        assert isinstance(question, Question)
        await until(lambda: question.void_reason)
        await press(pilot, "y")

        assert stage.commands == []


async def test_refuse_take_over_and_note_are_signed_and_sent(stage: Stage) -> None:
    async with stage.both(_waiting_plan()) as (_, app, pilot):
        await press(pilot, "r", "y")
        await until(lambda: len(stage.commands) == 1)
        await press(pilot, "t", "y")
        await until(lambda: len(stage.commands) == 2)
        await press(pilot, "n")
        assert isinstance(app.screen, NoteInput)
        await press(pilot, "h", "i", "enter")
        await until(lambda: len(stage.commands) == 3)

        refused, taken, noted = stage.commands
        assert isinstance(refused, Refused)
        assert isinstance(taken, TakenOver)
        assert isinstance(noted, Noted)
        assert noted.text == "hi"


async def test_space_freezes_after_one_question_and_thaws_likewise(stage: Stage) -> None:
    state = story.calm()
    assert state.swarm is not None
    async with stage.both(state) as (hub, app, pilot):
        await press(pilot, "space", "enter")
        assert stage.commands == []
        await press(pilot, "space", "y")
        await until(lambda: stage.commands)
        assert isinstance(stage.commands[0], Frozen)

        hub.publish(replace(state, swarm=replace(state.swarm, frozen=True)))
        await until(lambda: "FROZEN" in text_of(app, "banners"))
        await press(pilot, "space", "y")
        await until(lambda: len(stage.commands) == 2)
        assert isinstance(stage.commands[1], Thawed)


async def test_a_refused_command_is_told(stage: Stage) -> None:
    stage.refuse_with = "the bus is down"
    async with stage.both(story.calm()) as (_, app, pilot):
        await press(pilot, "space", "y")
        await until(lambda: any("the bus is down" in n.message for n in app._notifications))


async def test_a_missing_key_is_told_and_nothing_is_sent(stage: Stage) -> None:
    stage.paths.operator_key.unlink()
    async with stage.both(story.calm()) as (_, app, pilot):
        await press(pilot, "space", "y")
        await until(lambda: any("cannot read the key" in n.message for n in app._notifications))
        assert stage.commands == []


async def test_keys_that_mean_nothing_now_do_nothing(stage: Stage) -> None:
    async with stage.both(story.calm()) as (_, app, pilot):
        for key in ("a", "r", "t", "u", "n"):
            await press(pilot, key)
            assert not isinstance(app.screen, Question | NoteInput)


async def test_pause_holds_the_screen_while_the_engine_goes_on(stage: Stage) -> None:
    frames = story.story()
    async with stage.both(frames[0]) as (hub, app, pilot):
        await press(pilot, "p")
        for frame in frames[1:4]:
            hub.publish(frame)
            await until(lambda frame=frame: app.store.live == frame)  # type: ignore[misc]
        await until(lambda: "3 behind" in text_of(app, "banners"))
        assert "PAUSED" in text_of(app, "banners")
        assert "NO INCIDENT" in text_of(app, "top")

        await press(pilot, "right_square_bracket")
        await until(lambda: "SLO RED" in text_of(app, "top"))
        await press(pilot, "p")
        await until(lambda: "OPEN" in text_of(app, "top"))
        assert "PAUSED" not in text_of(app, "banners")


async def test_y_copies_the_chosen_entry_whole(stage: Stage) -> None:
    async with stage.both(story.story()[4]) as (_, app, pilot):
        await until(lambda: "diagnosed" in text_of(app, "timeline"))
        await press(pilot, "up", "y")

        assert app.clipboard.startswith("14:13:23 #115 diagnosed by diagnosis-1: payments crash")
        assert app.clipboard.endswith("ruled out: gateway crash")


async def test_enter_shows_an_entry_with_its_evidence(stage: Stage) -> None:
    async with stage.both(story.story()[4]) as (_, app, pilot):
        await until(lambda: "diagnosed" in text_of(app, "timeline"))
        await press(pilot, "up", "enter")
        assert isinstance(app.screen, Details)
        await press(pilot, "escape")
        assert not isinstance(app.screen, Details)


async def test_the_keys_are_listed_from_the_bindings(stage: Stage) -> None:
    async with stage.both(story.calm()) as (_, app, pilot):
        await press(pilot, "question_mark")
        await until(lambda: isinstance(app.screen, Details) and "take over" in whole_screen(app))


async def test_q_leaves_and_asks_first_when_it_was_started_by_up(stage: Stage) -> None:
    async with stage.console() as (app, pilot):
        await press(pilot, "q")
        assert app.return_value is Leave.ALONE
    async with stage.console(started_by_up=True) as (app, pilot):
        await press(pilot, "q", "enter")
        assert app.return_value is None
        await press(pilot, "q", "s")
        assert app.return_value is Leave.STOP


async def test_ctrl_c_leaves_and_a_second_one_stops_what_up_started(stage: Stage) -> None:
    async with stage.console() as (app, pilot):
        await press(pilot, "ctrl+c")
        assert app.return_value is Leave.ALONE
    async with stage.console(started_by_up=True) as (app, pilot):
        await press(pilot, "ctrl+c")
        assert app.return_value is None
        await press(pilot, "ctrl+c")
        assert app.return_value is Leave.STOP


async def test_keys_can_be_remapped(stage: Stage) -> None:
    app = ConsoleApp(stage.place, keymap={"quit": "x"})
    async with app.run_test() as pilot:
        await press(pilot, "q")
        assert app.return_value is None
        await press(pilot, "x")
        assert app.return_value is Leave.ALONE
