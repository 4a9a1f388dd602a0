"""``main.py bench stream``: what a screen costs, beside other servers and a limit in C.

Each row is a server process of its own on one core and a load process on another. Those that are
compared stand ready side by side, all stopped but one, and are measured in turn, a second each; what
is compared is what was measured in the same round, and the figure is the median of the rounds. After
some rounds all are started anew. The aims are those of the product, not of this machine.
"""

import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from engine.bench.figure import Figure
from engine.bench.stream_load import Load, Measured
from engine.bench.stream_run import attacked, loading, measured, run, serving, standing
from engine.bench.stream_sizes import batched_and_json, fifth_of_fifty, fifth_of_fifty_deflated
from engine.stream.certificates import make_certificate
from engine.stream.sending import sending
from engine.stream.uring import Uring

ROUNDS = 12
ROUNDS_OF_A_SET = 3
"""Then all servers are started anew: where a process lies in memory makes it a tenth dearer or cheaper for
as long as it lives (1.69 × in twelve rounds of one set, 1.8 to 2.05 in four rounds each of four others)."""
STALLED_ROUNDS = 9
SHOW_EVERY_MS = 100
"""The engine's own tick: what keeps it waiting for a tenth of that does not matter to it."""
_KINDS = {
    "write_loop": "write",
    "ours": "ours",
    "broadcast": "broadcast",
    "aiohttp": "aiohttp",
    "acks": "ours",
}
LIMIT = Path(__file__).with_name("stream_limit.c")


def _figure(name: str, value: float, unit: str, aim: float, better: str, **beside: float) -> Figure:
    holds = value <= aim if better == "lower" else value >= aim
    rounded = {key: round(what, 2) for key, what in beside.items()}
    return Figure(name, round(value, 2), unit, aim, better, holds, rounded)


def _ratios(over: list[float], under: list[float]) -> tuple[float, dict[str, float]]:
    """The median of the ratios round by round, and their range and number.

    A machine that runs slower for a minute does so for both of a round.
    """
    found = [one / other for one, other in zip(over, under, strict=True)]
    return statistics.median(found), {"least": min(found), "most": max(found), "n": len(found)}


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
            *_beside(clients, say),
            *_stalled(say),
            *_tls(scratch, say),
            *_sizes(),
        ]


# --- the parts -----------------------------------------------------------------------------------


def _fan_out(
    rounds: int, clients: int, limit: str | None, say: Callable[[str], None]
) -> list[Figure]:
    kinds = dict(_KINDS) if limit is None else {"limit": limit, **_KINDS}
    found: dict[str, list[Measured]] = {name: [] for name in kinds}
    for first in range(0, rounds, ROUNDS_OF_A_SET):
        with ExitStack() as stack:
            servers = {
                name: stack.enter_context(standing(kind, clients, 20, acks=name == "acks"))
                for name, kind in kinds.items()
            }
            for number in range(first, min(rounds, first + ROUNDS_OF_A_SET)):
                for name, server in servers.items():
                    found[name].append(server.measured())
                    say(f"[{number + 1}/{rounds}] {name:10} {_line(found[name][-1])}")
    with sending() as way:
        by_uring = isinstance(way, Uring)
    us = {name: [row.cpu_us for row in rows] for name, rows in found.items()}
    cost = {f"{name}_us": statistics.median(costs) for name, costs in us.items()}
    floor = us["limit" if limit else "write_loop"]
    times, spread = _ratios(us["ours"], floor)
    cheaper, cheaper_spread = _ratios(us["broadcast"], us["ours"])
    than_aiohttp, aiohttp_spread = _ratios(us["aiohttp"], us["ours"])
    at_once = f"at {clients} clients, 20 Hz, 4 KiB"
    return [
        _figure(
            f"cost of a message {at_once}, times the limit",
            times,
            "×",
            1.25,
            "lower",
            **spread,
            **cost,
            io_uring=by_uring,
        ),
        _figure(
            "cheaper than websockets.broadcast",
            cheaper,
            "×",
            1.8,
            "higher",
            **cheaper_spread,
            limit_is=_ratios(us["broadcast"], floor)[0],
            write_loop_is=_ratios(us["broadcast"], us["write_loop"])[0],
        ),
        _figure("cheaper than aiohttp", than_aiohttp, "×", 1.0, "higher", **aiohttp_spread),
        _figure(
            "memory of a client",
            _median(found["ours"], "kb_a_client"),
            "kB",
            14,
            "lower",
            broadcast=_median(found["broadcast"], "kb_a_client"),
            aiohttp=_median(found["aiohttp"], "kb_a_client"),
        ),
    ]


def _many(say: Callable[[str], None]) -> list[Figure]:
    # Beyond that the process would need more files than it may open.
    row = run("ours", 10_000, 2.5, ask=5, acks=True, measure_s=6.0, warm_s=2.0)
    say(f"ten thousand {_line(row)}")
    return [
        _figure("10,000 clients on one core", row.hz, "Hz", 2, "higher"),
        _figure("memory of 10,000 clients", row.rss_mb, "MB", 160, "lower"),
    ]


def _beside(clients: int, say: Callable[[str], None]) -> list[Figure]:
    """How long the engine, which shares the loop with the hub, waits for its turn."""
    crowds = {"none": (1, 0), "all": (clients, 0), "attacked": (clients, 1)}
    late: dict[str, float] = {}
    rate: dict[str, float] = {}
    for name, (reading, attackers) in crowds.items():
        with serving("beside", reading, 20) as server:
            load = Load(server.port, server.pid, reading, 20, 0.5, 4.0, acks=True, signals=True)
            with loading(load) as process:
                server.reads()  # What was noted while they connected.
                with attacked(server.port, attackers):
                    late[name] = float(server.reads())
                found = measured(process)
            rate[name] = found.hz
            say(f"late by {late[name]:6.2f} ms (p99)  {_line(found)}")
    aim_ms = SHOW_EVERY_MS * 0.1
    return [
        _figure(
            f"the engine waits for its turn, {clients} clients, p99",
            late["all"],
            "ms",
            aim_ms,
            "lower",
            without_clients_ms=late["none"],
        ),
        _figure(
            "the same with 50 hostile ones at full speed",
            late["attacked"],
            "ms",
            aim_ms,
            "lower",
            rate_hz=rate["attacked"],
            rate_without_hz=rate["all"],
        ),
    ]


def _stalled(say: Callable[[str], None]) -> list[Figure]:
    all_well, some_stalled = [], []
    for _ in range(STALLED_ROUNDS):
        all_well.append(run("ours", 200, 20))
        some_stalled.append(run("ours", 250, 20, stalled=50))
        say(f"all reading {_line(all_well[-1])}")
        say(f"20 % stalled {_line(some_stalled[-1])}")
    rate, spread = _ratios([row.hz for row in some_stalled], [row.hz for row in all_well])
    later, later_spread = _ratios(
        [row.p99_ms for row in some_stalled], [row.p99_ms for row in all_well]
    )
    percent = {"least": spread["least"] * 100, "most": spread["most"] * 100, "n": spread["n"]}
    return [
        _figure("rate of the others with 20 % stalled", rate * 100, "%", 98, "higher", **percent),
        _figure(
            "their p99, times that without",
            later,
            "×",
            1.25,
            "lower",
            **later_spread,
            with_ms=_median(some_stalled, "p99_ms"),
            without_ms=_median(all_well, "p99_ms"),
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
    row = run(f"ours:{scratch}", 300, 20, tls=True)
    say(f"TLS {_line(row)}")
    return [
        _figure(
            "memory of a client over TLS",
            row.kb_a_client,
            "kB",
            50,
            "lower",
            message_us=row.cpu_us,
        )
    ]


def _sizes() -> list[Figure]:
    ours, alone = batched_and_json()
    return [
        _figure(
            "a tick in which a fifth of 50 agents change",
            fifth_of_fifty(),
            "B",
            512,
            "lower",
            deflated=fifth_of_fifty_deflated(),
        ),
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
