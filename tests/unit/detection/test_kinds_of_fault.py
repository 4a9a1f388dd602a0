"""Each kind of fault is noticed, and its service named, by whatever shows it; and calm is left calm."""

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.diagnosis.finding import find
from engine.evaluate.senses import Alarm
from engine.evaluate.watching import System
from engine.telemetry.history import History
from engine.telemetry.recording import Recording, known_at_s
from engine.telemetry.records import LogRecord, Point, Span
from tests.little_system import CALLS, END_S, ONSET_S, SERVICES, STEP_S, Record, Trouble, records

Told = Iterable[Record]


def noticed(told: Told) -> tuple[list[Alarm], str]:
    """The alarms, and whom diagnosis suspects first five minutes after the first of them."""
    recording = Recording(
        Path(), "made", STEP_S, 0.0, END_S, SERVICES, CALLS, page=None, changes=(), limits=()
    )
    system, history = System(recording), History(SERVICES, CALLS)
    alarms: list[Alarm] = []
    for record in told:
        history.add(record)
        system.take(record)
        alarms += system.look(known_at_s(record))
    if not alarms:
        return [], ""
    first = alarms[0]
    since_s = first.at_s if first.since_s is None else first.since_s
    found = find(history, since_s, END_S, None, told=True)
    return alarms, found.ranking.suspects[0].service if found.conclusive else ""


def crying(service: str, severity: str, lines: tuple[str, ...]) -> Iterator[Record]:
    """Half of the requests to a service log this from the onset on; nothing else shows."""
    rng = random.Random(3)
    for record in records():
        yield record
        is_hit = isinstance(record, Span) and record.service == service and record.name == "serve"
        if is_hit and record.t >= ONSET_S and rng.random() < 0.7:
            for line in lines:
                yield LogRecord(known_at_s(record), service, severity, line)


def killed(service: str) -> Iterator[Record]:
    """A service is gone: it tells nothing any more, and calls of it fail."""
    below = {callee for caller, callee in CALLS if caller == service}
    for record in records():
        if record.t < ONSET_S:
            yield record
        elif isinstance(record, Span) and record.name == f"call {service}":
            yield replace(record, error=True)
        elif record.service != service and record.service not in below:
            yield record


def using_up(service: str, metric: str) -> Iterator[Record]:
    """A service uses three times as much of something as it used to."""
    rng = random.Random(4)
    for record in records(spans=False, logs=False):
        yield record
        if isinstance(record, Point) and record.metric == "cpu_pct":
            more = 3.0 if record.service == service and record.t >= ONSET_S else 1.0
            value = 400.0 * more * rng.uniform(0.95, 1.05)
            yield replace(record, metric=metric, value=value)


JAVA = (
    "Servlet.service() threw exception [nested exception is java.lang.NullPointerException]",
    "java.lang.NullPointerException: order 8812",
    "\tat shop.pay.Ledger.book(Ledger.java:77)",
    "\tat shop.pay.Door.serve(Door.java:31)",
)
PYTHON = (
    "Traceback (most recent call last):",
    '  File "/app/ledger.py", line 77, in book',
    "KeyError: 'currency'",
)
GO = ("panic: runtime error: index out of range [5] with length 2", "goroutine 71 [running]:")
CRIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ERROR", JAVA),
    ("INFO", JAVA),
    ("", PYTHON),
    ("info", GO),
    ("17", ("cannot reach the ledger",)),
    ("Fehler", ("Verbindung zum Buch verloren",)),
    ("エラー", ("台帳に接続できません",)),
    ("INFO", ("[ERROR] ledger is closed",)),
    ("INFO", ('{"severity": "error", "message": "cannot reach the ledger", "order": 8812}',)),
    ("", (r'{"log": "{\"level\":\"fatal\",\"msg\":\"ledger is closed\"}\n", "stream": "stdout"}',)),
    ("", ('time="2026-11-30T03:00:00Z" level=error msg="cannot reach the ledger" order=8812',)),
)


@pytest.mark.parametrize(("severity", "lines"), CRIES)
@pytest.mark.parametrize("service", ["shop", "pay"])
def test_exceptions_that_show_only_as_log_lines(
    service: str, severity: str, lines: tuple[str, ...]
) -> None:
    alarms, suspect = noticed(crying(service, severity, lines))

    assert alarms
    assert ONSET_S < alarms[0].at_s < ONSET_S + 150.0
    assert suspect == service


KINDS: dict[str, tuple[str, Callable[[], Told]]] = {
    "network delay": ("store", lambda: records(Trouble("store", "way"))),
    "cpu": ("pay", lambda: records(Trouble("pay", "hot"))),
    "cpu, metrics only": ("pay", lambda: records(Trouble("pay", "hot"), spans=False, logs=False)),
    "wrong configuration": ("pay", lambda: records(Trouble("pay", "failing"))),
    "calls that went missing": ("shop", lambda: records(Trouble("shop", "mute"))),
    "killed": ("pay", lambda: killed("pay")),
    "memory": ("search", lambda: using_up("search", "memory_mib")),
    "disk": ("store", lambda: using_up("store", "disk_used_bytes")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_noticed_and_its_service_named(kind: str) -> None:
    service, told = KINDS[kind]

    alarms, suspect = noticed(told())

    assert alarms
    assert ONSET_S < alarms[0].at_s < ONSET_S + 180.0
    assert suspect == service


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_calm_is_left_calm(seed: int) -> None:
    assert noticed(records(seed=seed)) == ([], "")


WRITTEN_BY_USERS = (
    'saved note="java.lang.OutOfMemoryError" comment=ERROR text "panic: FATAL"',
    r'{"level": "info", "msg": "saved", "note": "java.lang.OutOfMemoryError \", \"level\": \"error"}',
    'level=info msg=saved note=x level=error msg="panic: FATAL"',
)


@pytest.mark.parametrize("line", WRITTEN_BY_USERS)
def test_words_that_users_write_raise_no_alarm(line: str) -> None:
    assert noticed(crying("pay", "INFO", (line,))) == ([], "")


def test_that_more_is_asked_is_no_fault() -> None:
    def busier(record: Record) -> Record:
        if isinstance(record, Point) and record.metric == "requests_total" and record.t >= ONSET_S:
            return replace(record, value=4.0 * record.value)
        return record

    assert noticed(map(busier, records(spans=False, logs=False))) == ([], "")


def counters(reset_step: int, fault: bool) -> Iterator[Record]:
    """Every service counts its requests and errors since its start; ``pay`` starts again once."""
    rng, counted = random.Random(5), dict.fromkeys(SERVICES, (0.0, 0.0))
    for step in range(80):
        at_s = step * STEP_S
        for service in SERVICES:
            asked, failed = counted[service]
            if service == "pay" and step == reset_step:
                asked = failed = 0.0
            is_bad = fault and service == "pay" and at_s >= ONSET_S
            asked += 300.0 * rng.uniform(0.95, 1.05)
            failed += (90.0 if is_bad else 3.0) * rng.uniform(0.9, 1.1)
            counted[service] = asked, failed
            yield Point(at_s, service, "requests_total", asked)
            yield Point(at_s, service, "errors_total", failed)


def test_a_counter_that_begins_again_is_no_fault_and_one_that_runs_away_is() -> None:
    assert noticed(counters(60, fault=False))[0] == []
    alarms, _ = noticed(counters(45, fault=True))
    assert [alarm.service for alarm in alarms] == ["pay"]
    assert alarms[0].at_s > ONSET_S
