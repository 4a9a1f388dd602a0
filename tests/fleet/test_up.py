"""``main.py up`` tells the story of a real incident, and leaves nothing behind, however it ends."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.act.door import knock
from engine.bus.nats import NatsBus
from engine.codec import decode
from engine.paths import RunPaths
from engine.supervisor import read_states
from engine.vocabulary import AgentId, AuthorId, Vitals
from tests.fleet.commands import ROOT, Up, command
from tests.fleet.shop import eventually
from tests.until import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(180)]

AGENTS = tuple(
    AgentId(AuthorId(f"{role}-1"))
    for role in ("detection", "diagnosis", "prediction", "resolution", "communication")
)
BACK_WITHIN_S = 20.0


def started(folder: Path, *words: str) -> Iterator[Up]:
    up = Up(folder, *words)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Up]:
    yield from started(tmp_path, "--drill", "demo", "--plain")


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Up]:
    yield from started(tmp_path)


def test_the_story_is_told_from_a_healthy_fleet_to_its_repair_and_ctrl_c_ends_all(demo: Up) -> None:
    demo.wait_for("drill over", 90)

    code, left = demo.end(signal.SIGINT)

    story = demo.output.read_text()
    told = [
        "automation: low auto, medium auto, high auto (auto for all risks: a drill)",
        "swarm         ready",
        "payments is broken: exited: signal 9",
        "opened        ",
        "corroborated  ",
        "diagnosed     ",
        "proposed      ",
        "assessed      ",
        "decided       ",
        "certificate   ",
        "acted         ",
        "closed        shop/checkout#1: recovered",
        "drill over: ✓ passed",
    ]
    places = [story.find(text) for text in told]
    assert places == sorted(places), story
    assert -1 not in places, story
    assert (code, left) == (0, set())
    assert not demo.paths.root.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_in_the_middle_of_an_incident_it_ends_without_a_process_or_a_fault_left(
    demo: Up, number: signal.Signals
) -> None:
    demo.wait_for("payments is broken", 60)

    code, left = demo.end(number)

    assert left == set()
    assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL)


# --- the parts come back --------------------------------------------------------------------------


class Listener:
    """Hears what agents say of themselves."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.heard: dict[AgentId, tuple[float, Vitals]] = {}

    async def listen(self) -> NatsBus:
        bus = await NatsBus.connect(self.paths.bus_credential("engine"))
        await bus.subscribe("status.*", self._take)
        return bus

    def _take(self, _subject: str, payload: bytes) -> None:
        vitals = decode(payload, Vitals)
        self.heard[vitals.agent] = (time.monotonic(), vitals)

    def all_ready_since(self, then_s: float) -> bool:
        return set(self.heard) == set(AGENTS) and all(
            at_s > then_s and vitals.ready for at_s, vitals in self.heard.values()
        )

    def pid(self, name: str) -> int:
        state = read_states(self.paths.processes).get(name)
        return state.pid if state else 0


def heads(paths: RunPaths) -> list[list[tuple[int, bytes]]]:
    """Number and chain of every entry, as each agent has it."""
    ledgers = []
    for agent in AGENTS:
        path = paths.agent(agent) / "ledger.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT sequence_number, chain FROM entries ORDER BY 1")
            ledgers.append([(int(number), bytes(chain)) for number, chain in rows])
    return ledgers


async def kill_and_wait(run: Listener, up: Up, name: str) -> float:
    """SIGKILL one process; how long until it is another one and the whole swarm is ready."""
    pid = engine_pid(up) if name == "engine" else run.pid(name)
    # Whatever was under way when it died must not count as a word of the new one.
    os.kill(pid, signal.SIGKILL)
    killed_s = time.monotonic()

    def is_back() -> bool:
        now = engine_pid(up) if name == "engine" else run.pid(name)
        return now not in {0, pid} and run.all_ready_since(killed_s + 0.1)

    await until(is_back, BACK_WITHIN_S)
    if name == "actuator":

        async def answers() -> bool:
            try:
                return (await knock(run.paths.freeze_socket, b"no word")).startswith("refused")
            except OSError:
                return False

        await eventually(answers, BACK_WITHIN_S)
    return time.monotonic() - killed_s


def engine_pid(up: Up) -> int:
    for pid in up.processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"engine" in words:
            return pid
    return 0


async def said_by(*words: str) -> str:
    """What a command tells that succeeds."""
    done = await asyncio.to_thread(
        subprocess.run, command(*words), cwd=ROOT, check=False, capture_output=True, text=True,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_whatever_is_killed_while_all_is_calm_comes_back_and_the_ledgers_agree(
    calm: Up, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under a policy that was ordered meanwhile, which whoever comes back must know."""
    careful = tmp_path / "careful.toml"
    careful.write_text("[limits]\nattempts = 2\n[automation]\nmedium = 'auto'\nhigh = 'auto'\n")
    founded = (calm.paths.bus_credential("engine"), calm.paths.genesis)
    await until(lambda: all(path.exists() for path in founded), 40)
    run = Listener(calm.paths)
    bus = await run.listen()
    try:
        await until(lambda: run.all_ready_since(0), 40)
        run_dir = ("--run-dir", str(calm.paths.root))
        assert "in force from epoch 1, entry 193 on: limits.attempts 2 (was 4)" in await said_by(
            "policy", "set", str(careful), *run_dir
        )
        await until(lambda: run.all_ready_since(time.monotonic() - 1), 20)
        view = run.heard[AGENTS[1]][1].view

        took = {
            name: await kill_and_wait(run, calm, name)
            for name in ("prediction-1", "communication-1", "resolution-1", "actuator", "nats")
        }
        views = {vitals.view for _, vitals in run.heard.values()}
        for name in ("diagnosis-1", "detection-1", "engine"):
            took[name] = await kill_and_wait(run, calm, name)

        await until(lambda: len({len(own) for own in heads(calm.paths)}) == 1, 20)
        assert "limits      attempts 2" in await said_by("policy", *run_dir)
        trust = ("--trust", str(calm.paths.genesis), "--unsealed")
        found = await said_by("verify", *trust, str(calm.paths.engine_ledger))
        assert "under the quorum of epoch 0: policy limits.attempts 2 (was 4)" in found
    finally:
        await bus.close()
    with capsys.disabled():
        told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())
        print(f"\nback and ready after SIGKILL: {told}; views {view} to {views}")  # noqa: T201
    ledgers = heads(calm.paths)
    assert all(own == ledgers[0] for own in ledgers)
    assert len(ledgers[0]) >= 193
    assert views == {view}, "nobody who leads was killed, and yet the view changed"
    code, left = calm.end(signal.SIGTERM)
    assert (code, left) == (0, set())
