"""``main.py bench stream``: what a screen costs, beside the library's broadcast and a limit in C.

Each row is a server process of its own on one core and a load process on another, in interleaved
rounds; figures are medians of the rounds. The aims are those of the product, not of this machine.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from engine.bench.figure import Figure
from engine.bench.stream_load import Load, Measured
from engine.bench.stream_sizes import batched_and_json, fifth_of_fifty
from engine.stream.certificates import make_certificate

SIZE = 4096
LIMIT = Path(__file__).with_name("stream_limit.c")


def _figure(name: str, value: float, unit: str, aim: float, better: str, **beside: float) -> Figure:
    holds = value <= aim if better == "lower" else value >= aim
    rounded = {key: round(what, 2) for key, what in beside.items()}
    return Figure(name, round(value, 2), unit, aim, better, holds, rounded)


def bench(rounds: int, clients: int, say: Callable[[str], None]) -> list[Figure]:
    """Measure everything; ``say`` is told what goes on."""
    with tempfile.TemporaryDirectory(prefix="bench-stream-") as folder:
        scratch = Path(folder)
        limit = _compiled(scratch)
        say(
            f"the limit: {'stream_limit.c' if limit else 'os.write in a loop (there is no cc here)'}"
        )
        make_certificate(scratch)
        return [
            *_fan_out(rounds, clients, limit, say),
            *_many(say),
            *_stalled(rounds, say),
            *_tls(scratch, say),
            *_sizes(),
        ]


# --- the parts -----------------------------------------------------------------------------------


def _fan_out(
    rounds: int, clients: int, limit: str | None, say: Callable[[str], None]
) -> list[Figure]:
    kinds = {"limit": limit or "raw", "ours": "ours", "broadcast": "broadcast", "acks": "ours"}
    found: dict[str, list[Measured]] = {name: [] for name in kinds}
    for number in range(rounds):
        for name, kind in kinds.items():
            measured = _run(kind, clients, 20, acks=name == "acks")
            found[name].append(measured)
            say(f"[{number + 1}/{rounds}] {name:9} {_line(measured)}")
    cost = {name: _median(rows, "cpu_us") for name, rows in found.items()}
    at_once = f"at {clients} clients, 20 Hz, 4 KiB"
    return [
        _figure(
            f"cost of a message {at_once}, times the limit",
            cost["ours"] / cost["limit"],
            "×",
            1.25,
            "lower",
            ours_us=cost["ours"],
            limit_us=cost["limit"],
        ),
        _figure(
            "cheaper than websockets.broadcast",
            cost["broadcast"] / cost["ours"],
            "×",
            1.8,
            "higher",
            broadcast_us=cost["broadcast"],
            with_acks_us=cost["acks"],
        ),
        _figure(
            "memory of a client",
            _median(found["ours"], "kb_a_client"),
            "kB",
            14,
            "lower",
            broadcast=_median(found["broadcast"], "kb_a_client"),
        ),
    ]


def _many(say: Callable[[str], None]) -> list[Figure]:
    # Beyond that the process would need more files than it may open.
    measured = _run("ours", 10_000, 2, measure_s=4.0, warm_s=2.0)
    say(f"ten thousand {_line(measured)}")
    return [
        _figure("10,000 clients on one core", measured.hz, "Hz", 1.96, "higher"),
        _figure("memory of 10,000 clients", measured.rss_mb, "MB", 160, "lower"),
    ]


def _stalled(rounds: int, say: Callable[[str], None]) -> list[Figure]:
    all_well, some_stalled = [], []
    for _ in range(rounds):
        all_well.append(_run("ours", 200, 20))
        some_stalled.append(_run("ours", 250, 20, stalled=50))
        say(f"all reading {_line(all_well[-1])}")
        say(f"20 % stalled {_line(some_stalled[-1])}")
    well, ill = _median(all_well, "p99_ms"), _median(some_stalled, "p99_ms")
    rate = _median(some_stalled, "hz") / _median(all_well, "hz")
    return [
        _figure("rate of the others with 20 % stalled", rate * 100, "%", 98, "higher"),
        _figure(
            "their p99, times that without",
            ill / well,
            "×",
            1.25,
            "lower",
            with_ms=ill,
            without_ms=well,
        ),
        _figure(
            "memory grown meanwhile", max(row.grown_mb for row in some_stalled), "MB", 1, "lower"
        ),
        _figure(
            "stalled clients in sync after",
            _median(some_stalled, "in_sync_ms"),
            "ms",
            50,
            "lower",
            synced=min(row.synced for row in some_stalled),
        ),
    ]


def _tls(scratch: Path, say: Callable[[str], None]) -> list[Figure]:
    measured = _run(f"ours:{scratch}", 300, 20, tls=True)
    say(f"TLS {_line(measured)}")
    return [
        _figure(
            "memory of a client over TLS",
            measured.kb_a_client,
            "kB",
            50,
            "lower",
            message_us=measured.cpu_us,
        )
    ]


def _sizes() -> list[Figure]:
    ours, alone = batched_and_json()
    return [
        _figure("a tick in which a fifth of 50 agents change", fifth_of_fifty(), "B", 512, "lower"),
        _figure(
            "bytes saved against JSON without batching",
            (1 - ours / alone) * 100,
            "%",
            70,
            "higher",
            ours_bytes=ours,
            json_bytes=alone,
        ),
    ]


# --- one run -------------------------------------------------------------------------------------


def _run(
    kind: str,
    clients: int,
    hz: int,
    *,
    stalled: int = 0,
    acks: bool = False,
    tls: bool = False,
    warm_s: float = 0.5,
    measure_s: float = 2.0,
) -> Measured:
    with _server(kind, clients, hz) as (pid, port):
        load = Load(
            port,
            pid,
            clients,
            hz,
            warm_s,
            measure_s,
            stalled,
            starts=kind.startswith("ours"),
            acks=acks,
            tls=tls,
        )
        done = subprocess.run(
            [
                *_on_core(1, [sys.executable, "-m", "engine.bench.stream_load"]),
                msgspec.json.encode(load).decode(),
            ],
            capture_output=True,
            timeout=120,
            check=False,
        )
    if done.returncode:
        raise ValueError(f"the load of {kind} failed: {done.stderr.decode()[-300:]}")
    return msgspec.json.decode(done.stdout, type=Measured)


@contextmanager
def _server(kind: str, clients: int, hz: int) -> Generator[tuple[int, int]]:
    """A server of ``kind``: its process and port."""
    module = [sys.executable, "-m", "engine.bench.stream_server", kind]
    program = [kind] if kind.startswith("/") else module
    argv = _on_core(0, [*program, str(clients), str(hz), str(SIZE)])
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if not port:
            raise ValueError(f"the server {kind} did not start")
        yield server.pid, int(port)
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def _on_core(number: int, argv: list[str]) -> list[str]:
    """``argv`` kept to one processor, where there are two to tell apart."""
    cores = sorted(os.sched_getaffinity(0))
    taskset = shutil.which("taskset")
    return [taskset, "-c", str(cores[number]), *argv] if taskset and len(cores) > 1 else argv


def _compiled(scratch: Path) -> str | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = scratch / "limit"
    done = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(LIMIT)], capture_output=True, check=False
    )
    return str(program) if done.returncode == 0 else None


def _median(rows: list[Measured], name: str) -> float:
    return statistics.median(float(getattr(row, name)) for row in rows)


def _line(row: Measured) -> str:
    return (
        f"{row.hz:5.1f} Hz  {row.cpu_us:6.2f} us a message  p50 {row.p50_ms:6.1f} ms  "
        f"p99 {row.p99_ms:6.1f} ms  {row.kb_a_client:5.1f} kB a client  lost {row.lost}"
    )
