"""One run of ``main.py bench stream``: a server on one core, its load on another, attackers beside it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import msgspec

from engine.bench.stream_load import Load, Measured

SIZE = 4096
WARM_S, MEASURE_S = 0.25, 1.0
"""Of those that are measured in turn: a machine that changes its speed shall not do so in between."""
LOAD_S = 300
"""Longer than any load takes, also on a machine that is busy."""


class Server:
    """A server of its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.port = int(self.reads() or 0)

    def reads(self) -> str:
        """The next line that it says; nothing when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Standing:
    """A server with all its clients, stopped whenever it is not measured."""

    def __init__(self, load: subprocess.Popen[str]) -> None:
        self._load = load
        self._reads()

    def measured(self) -> Measured:
        """Measure it for a moment.

        Raises:
            ValueError: it has ended.
        """
        assert self._load.stdin is not None
        self._load.stdin.write("\n")
        self._load.stdin.flush()
        return msgspec.json.decode(self._reads(), type=Measured)

    def _reads(self) -> str:
        assert self._load.stdout is not None
        line = self._load.stdout.readline()
        if not line:
            assert self._load.stderr is not None
            raise _failed(self._load.stderr.read())
        return line


@contextmanager
def standing(kind: str, clients: int, hz: int, *, acks: bool = False) -> Generator[Standing]:
    """A server of ``kind`` and ``clients`` that it serves, to be measured in turn with others.

    Raises:
        ValueError: the server or its load failed.
    """
    with serving(kind, clients, hz) as server:
        starts = kind.startswith("ours")
        load = Load(
            server.port,
            server.pid,
            clients,
            hz,
            WARM_S,
            MEASURE_S,
            starts=starts,
            acks=acks,
            standing=True,
        )
        with loading(load) as process:
            yield Standing(process)


def run(
    kind: str,
    clients: int,
    hz: float,
    *,
    ask: int = 20,
    stalled: int = 0,
    acks: bool = False,
    tls: bool = False,
    warm_s: float = 0.5,
    measure_s: float = 2.0,
) -> Measured:
    """Measure one server.

    Args:
        kind: which, as ``stream_server`` names them, or the path of a program.
        clients: how many connect, those that are stalled among them.
        hz: how often it sends.
        ask: the rate class that clients ask for.
        stalled: of the clients, how many read nothing while it is measured.
        acks: whether clients acknowledge, every second.
        tls: whether they speak TLS.
        warm_s: seconds before anything counts.
        measure_s: seconds that count.

    Raises:
        ValueError: the server or its load failed.
    """
    with serving(kind, clients, hz) as server:
        starts = kind.startswith("ours")
        load = Load(
            server.port,
            server.pid,
            clients,
            ask,
            warm_s,
            measure_s,
            stalled,
            starts=starts,
            acks=acks,
            tls=tls,
        )
        with loading(load) as process:
            return measured(process)


def loading(load: Load) -> AbstractContextManager[subprocess.Popen[str]]:
    """The clients, as a process that ends when it has measured."""
    argv = _on_core(1, [sys.executable, "-m", "engine.bench.stream_load"])
    return _process([*argv, msgspec.json.encode(load).decode()], told=subprocess.PIPE)


def measured(load: subprocess.Popen[str]) -> Measured:
    """What ``load`` measured, once it has ended.

    Raises:
        ValueError: it failed, or never ended.
    """
    try:
        said, complaint = load.communicate(timeout=LOAD_S)
    except subprocess.TimeoutExpired:
        raise ValueError(f"the load took longer than {LOAD_S} s") from None
    if load.returncode:
        raise _failed(complaint)
    return msgspec.json.decode(said, type=Measured)


def _failed(complaint: str | None) -> ValueError:
    return ValueError(f"the load failed: {(complaint or '')[-300:]}")


@contextmanager
def serving(kind: str, clients: int, hz: float) -> Generator[Server]:
    """A server of ``kind``, that begins to send when all ``clients`` are there.

    Raises:
        ValueError: it did not start.
    """
    module = [sys.executable, "-m", "engine.bench.stream_server", kind]
    program = [kind] if kind.startswith("/") else module
    with _process(_on_core(0, [*program, str(clients), str(hz), str(SIZE)])) as process:
        server = Server(process)
        if not server.port:
            raise ValueError(f"the server {kind} did not start")
        yield server


@contextmanager
def attacked(port: int, attackers: int) -> Generator[None]:
    """So many processes of fifty hostile clients each, for as long as the context lasts."""
    with ExitStack() as stack:
        for _ in range(attackers):
            argv = [sys.executable, "-m", "engine.bench.stream_hostile", str(port)]
            stack.enter_context(_process(_on_core(1, argv)))
        yield


@contextmanager
def _process(argv: list[str], told: int = subprocess.DEVNULL) -> Generator[subprocess.Popen[str]]:
    """``argv``, killed at the end; ``told`` is PIPE for one that is spoken to and may complain."""
    process = subprocess.Popen(argv, stdin=told, stdout=subprocess.PIPE, stderr=told, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _on_core(number: int, argv: list[str]) -> list[str]:
    """``argv`` kept to one processor, where there are two to tell apart."""
    cores = sorted(os.sched_getaffinity(0))
    taskset = shutil.which("taskset")
    return [taskset, "-c", str(cores[number]), *argv] if taskset and len(cores) > 1 else argv
