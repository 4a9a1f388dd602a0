"""Children come back when they end, and none is left when their supervisor stops."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import supervisor
from engine.clock import SystemClock
from engine.supervisor import (
    FIRST_DELAY_MS,
    MAX_DELAY_MS,
    Child,
    ProcessState,
    Supervisor,
    next_delay_ms,
    read_states,
    write_states,
)
from tests.until import until

ROOT = Path(__file__).resolve().parents[2]
SLEEPS = ["sleep", "60"]
DEAF = [
    sys.executable,
    "-c",
    "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('up', flush=1); time.sleep(60)",
]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@asynccontextmanager
async def supervised(folder: Path, *argvs: list[str]) -> AsyncGenerator[Supervisor]:
    made = Supervisor(SystemClock(), lambda _: None)
    try:
        for place, argv in enumerate(argvs):
            made.add(Child(f"child-{place}", argv, folder / f"child-{place}.log"))
        yield made
    finally:
        await made.stop()


def test_the_first_start_waits_for_nothing() -> None:
    assert next_delay_ms(0) == 0
    assert next_delay_ms(1) == FIRST_DELAY_MS


@given(st.integers(0, 10_000))
def test_delays_only_grow_and_never_beyond_the_limit(failures: int) -> None:
    assert next_delay_ms(failures) <= next_delay_ms(failures + 1) <= MAX_DELAY_MS


async def test_a_child_that_is_killed_comes_back_as_another_process(tmp_path: Path) -> None:
    async with supervised(tmp_path, SLEEPS) as children:
        await until(lambda: children.states[0].pid)
        first = children.states[0]

        os.kill(first.pid, signal.SIGKILL)

        await until(lambda: children.states[0].pid not in {0, first.pid})
        assert children.states[0].restarts == 1
        assert 0 < first.started_ms < children.states[0].started_ms


async def test_a_child_that_fails_at_once_is_tried_again_ever_more_rarely(tmp_path: Path) -> None:
    async with supervised(tmp_path, ["false"]) as children:
        began_s = time.monotonic()
        await until(lambda: children.states[0].restarts == 4)
        # 100 + 200 + 400 ms lie between four lives.
        assert time.monotonic() - began_s >= 0.7


async def test_a_program_that_is_not_there_stops_no_other_child(tmp_path: Path) -> None:
    async with supervised(tmp_path, ["/no/such/program"], SLEEPS) as children:
        await until(lambda: children.states[1].pid)
        assert children.states[0].pid == 0


async def test_one_that_ignores_the_request_to_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_GRACE_S", 0.3)
    async with supervised(tmp_path, DEAF, SLEEPS) as children:
        log = tmp_path / "child-0.log"
        await until(lambda: log.exists() and "up" in log.read_text())
        pids = [state.pid for state in children.states]

    assert [pid for pid in pids if alive(pid)] == []


async def test_stopping_while_children_are_being_started_leaves_none(tmp_path: Path) -> None:
    mark = f"{60 + os.getpid() / 1e7}"
    async with supervised(tmp_path, *[["sleep", mark]] * 8):
        # Some of them are between fork and exec now, others have not begun.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    left = [
        folder.name
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit()
        and mark.encode() in _arguments(int(folder.name))
        and alive(int(folder.name))
    ]
    assert left == []


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_a_child_dies_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from engine.clock import SystemClock\n"
        "from engine.supervisor import Child, Supervisor\n"
        "async def main():\n"
        "    made = Supervisor(SystemClock(), lambda s: print(s[0].pid, flush=True))\n"
        "    made.add(Child('one', ['sleep', '60'], pathlib.Path(sys.argv[1])))\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path / "log"),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert alive(child)

    parent.kill()
    await parent.wait()

    await until(lambda: not alive(child))


LISTENER = (
    "import asyncio, sys\n"
    "from engine.supervisor import lifeline_stdin\n"
    "async def main():\n"
    "    stop = lifeline_stdin()\n"
    "    print('up', flush=True)\n"
    "    await stop.wait()\n"
    "    print('stopped', flush=True)\n"
    "asyncio.run(main())\n"
)


def listener(stdin: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER], cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def test_the_end_of_standard_input_is_a_request_to_stop() -> None:
    process = listener(subprocess.PIPE)

    assert process.communicate(timeout=10)[0] == b"stopped\n"


def test_so_are_sigterm_and_sigint_also_under_a_service_manager_without_a_pipe() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = listener(subprocess.DEVNULL)
        process.send_signal(number)

        assert process.communicate(timeout=10)[0] == b"stopped\n"
        assert process.returncode == 0


def test_states_are_read_as_they_were_written_and_nonsense_is_no_state(tmp_path: Path) -> None:
    states = [ProcessState("nats", 12, 0), ProcessState("detection-1", 0, 3)]
    write_states(states, tmp_path / "processes.json")
    (tmp_path / "nonsense.json").write_bytes(b"[{")

    assert read_states(tmp_path / "processes.json") == {state.name: state for state in states}
    assert read_states(tmp_path / "nonsense.json") == {}
    assert read_states(tmp_path / "nowhere.json") == {}
