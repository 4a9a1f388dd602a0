"""The engine's deployer: rows made from journals, and orders that become processes of their own."""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from engine.stream.deploying import DeployOrder, DeployVerb
from engine.stream.state import Health
from engine.vocabulary import AuthorId, Digest
from infra.deploy.desk import Desk
from infra.deploy.journal import Line, Progress, Shelf, write_whole
from infra.deploy.local_lock import Holder, local_lock
from infra.deploy.plan import Change, Cost, Hazard, Level, Plan, StackPlan
from infra.deploy.report import HealthReport
from infra.deploy.run import (
    AnyEvent,
    Began,
    Broke,
    Checked,
    Finding,
    Kind,
    Planned,
    Preflighted,
    Succeeded,
    Synthesised,
    Verdict,
)
from tests.until import until

PLAN = "ab" * 32


def order(verb: DeployVerb, environment: str = "local", **more: str) -> DeployOrder:
    return DeployOrder(
        Digest(b"c" * 32),
        AuthorId("anna"),
        1,
        verb,
        environment,
        more.get("plan", ""),
        more.get("typed", ""),
        0,
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, "local").make()


def write(shelf: Shelf, *events: AnyEvent | Progress) -> None:
    folder = shelf.new()
    began = Began(folder.number, Kind.APPLY, "local", "here", "b1", True, False, 0, 0)
    for event in (began, *events):
        folder.append(Line(1_790_000_000_000, 1, event))
    change = Change("Table", "AWS::DynamoDB::Table", "Remove")
    hazard = Hazard(Level.DANGER, "deletion", "S", "Table", "it is deleted")
    stack = StackPlan("S", new=False, changes=(change,))
    plan = Plan("local", "here", "aa", (stack,), (hazard,), Cost(0, 0, 1, ()))
    write_whole(folder.plan, msgspec.json.encode(plan))


BEFORE = (Preflighted(()), Synthesised("aa"), Planned(PLAN, 1, ("S",), 1))


def test_a_plan_that_waits_is_shown_with_its_hazards(shelf: Shelf) -> None:
    write(shelf, *BEFORE)
    desk = Desk(shelf.root)
    desk.look()

    row = desk.rows["local"]
    assert (row.phase, row.plan, row.busy) == ("approval", PLAN, False)
    assert row.hazards[1].startswith("broken deletion S.Table")
    assert row.health is Health.UNKNOWN


def test_progress_and_reasons_are_shown_and_only_what_changed_is_read_again(shelf: Shelf) -> None:
    write(shelf, Preflighted(()), Broke("the CDK does not run", "make venv"))
    desk = Desk(shelf.root)
    desk.look()
    first = desk.rows
    desk.look()
    assert desk.rows is first

    write(shelf, *BEFORE, Progress("S", "Table", "T", "DELETE_FAILED", "no", 0, 1, 12.0))
    desk.look()
    row = desk.rows["local"]
    assert row.stacks == ("broken S 0/1 DELETE_FAILED Table, about 12 s left",)
    assert "refused" in row.history[1]
    assert desk.rows["dev"] is first["dev"]


def test_the_build_that_is_shown_is_the_one_that_was_gone_back_to(shelf: Shelf) -> None:
    write(shelf, *BEFORE)
    began = Began(2, Kind.APPLY, "local", "here", "b2", False, False, 0, good=1)
    failed = Checked((Finding("http", Verdict.FAILED, "503"),))
    folder = shelf.new()
    for event in (began, *BEFORE, Succeeded(), failed, Succeeded(), Checked(())):
        folder.append(Line(1_790_000_000_000, 1, event))
    desk = Desk(shelf.root)
    desk.look()

    row = desk.rows["local"]
    assert (row.phase, row.build) == ("rolled back", "b1")
    assert "apply: rolled back, build b2" in row.history[0]


def test_what_proves_nothing_does_not_make_health_worse_and_never_green(shelf: Shelf) -> None:
    findings = (
        Finding("http", Verdict.OK, "200", 12.0),
        Finding("opensearch", Verdict.CONTROL_PLANE_ONLY, "no search behind it"),
    )
    report = HealthReport(1, "local", "b1", findings, {}, ("S.Table",))
    write_whole(shelf.health, msgspec.json.encode(report))
    desk = Desk(shelf.root)
    desk.look()

    row = desk.rows["local"]
    assert row.health is Health.OK
    assert row.checks == (
        "ok http: 200, 12 ms",
        "unknown opensearch: control-plane-only, no search behind it",
    )
    assert row.drift == "S.Table"


def test_an_environment_that_is_nobodys_or_unreadable_says_so(shelf: Shelf) -> None:
    (shelf.path / "good.json").write_text("{")
    desk = Desk(shelf.root)
    desk.look()

    assert "good.json" in desk.rows["local"].target
    assert "whose is it" in desk.rows["prod"].target


async def test_orders_that_cannot_be_begun_say_why(shelf: Shelf) -> None:
    desk = Desk(shelf.root)

    assert "no such environment" in await desk.order(order(DeployVerb.PLAN, "../etc"))
    assert "whose is it" in await desk.order(order(DeployVerb.APPLY, "prod"))
    with local_lock(shelf.lock, Holder("ben@desk", 1, 1, 0)):
        assert "runs already" in await desk.order(order(DeployVerb.APPLY))


async def test_an_order_is_a_process_of_its_own_whose_words_are_kept(shelf: Shelf) -> None:
    desk = Desk(shelf.root)

    assert await desk.order(order(DeployVerb.HEALTH)) == ""
    desk.look()
    assert desk.rows["local"].said == "health begins"
    assert not desk.rows["local"].busy, "to ask how it is keeps nobody from working on it"
    assert "still at work" in await desk.order(order(DeployVerb.PLAN))

    def ended() -> bool:
        desk.look()
        return desk.rows["local"].said.startswith("health ended with exit code 1: ")

    await until(ended, 50)
    assert "emulator does not run" in desk.rows["local"].said


ORDERING = """
import asyncio, os, signal, sys
import asyncio
import signal
import sys
from pathlib import Path
from infra.deploy.desk import Desk
from tests.deploy.test_desk import order
from engine.stream.deploying import DeployVerb
assert asyncio.run(Desk(Path(sys.argv[1])).order(order(DeployVerb.HEALTH))) == ""
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_what_was_ordered_goes_on_when_the_panel_is_killed(shelf: Shelf) -> None:
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", ORDERING, str(shelf.root))
    assert await killed.wait() == -signal.SIGKILL

    await until(lambda: "emulator does not run" in (shelf.path / "panel.log").read_text(), 50)
