"""People are told once of each thing that the swarm cannot mend, by a way that they named."""

import http.server
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import handover
from engine.codec import Malformed
from engine.council import IncidentStatus
from engine.handover import Alarm, DeadMan, HandOver, handed_over
from engine.policy import Handover, Rules, read_rules, write_rules
from engine.vocabulary import Diagnosed, FaultKind, Hypothesis, ServiceName, Step
from tests.court import CHECKOUT, DIAGNOSIS, PAYMENTS, Court, make_genesis
from tests.until import until

ALARM = Alarm("shop/checkout#1", "handed-over", "nothing left", "shop/checkout#1", 4)
OTHER = Alarm("shop/checkout#2", "handed-over", "nothing left", "shop/checkout#2", 1)
GENESIS = make_genesis()


def writer(path: Path, code: int = 0) -> Handover:
    """A command that appends what it gets to ``path``."""
    program = (
        "import sys; open(sys.argv[1], 'a').write(sys.stdin.read()); sys.exit(int(sys.argv[2]))"
    )
    return Handover((sys.executable, "-c", program, str(path), str(code)))


def received(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# --- which alarms there are -----------------------------------------------------------------------


def given_up() -> Court:
    court = Court()
    court.open()
    hypothesis = Hypothesis(PAYMENTS, FaultKind.CRASH, 870)
    court.say(DIAGNOSIS, Diagnosed(CHECKOUT, court.attempt.number, (hypothesis,)))
    for _ in range(12):
        if court.status() is IncidentStatus.HANDED_OVER:
            break
        court.elapse(Step.PLAN)
    return court


def test_an_incident_with_people_is_an_alarm_with_what_was_suspected() -> None:
    (alarm,) = handed_over(given_up().council)

    assert (alarm.id, alarm.kind, alarm.incident) == (CHECKOUT, "handed-over", CHECKOUT)
    assert (alarm.service, alarm.fault) == (ServiceName("payments"), FaultKind.CRASH)
    assert alarm.probability_permille == 870


def test_an_incident_that_the_swarm_works_on_is_none() -> None:
    court = Court()
    court.open()

    assert handed_over(court.council) == []


def test_the_dead_man_speaks_once_and_again_only_after_all_was_well() -> None:
    dead = DeadMan(15_000)
    assert dead.step(0, well=False, why="starting") is None
    assert dead.step(60_000, well=False, why="starting") is None
    assert dead.step(61_000, well=True, why="") is None
    assert dead.step(75_999, well=False, why="lost") is None

    first = dead.step(76_000, well=False, why="lost")

    assert first is not None
    assert (first.kind, first.why) == ("dead-man", "lost")
    assert dead.step(300_000, well=False, why="lost") is None
    assert dead.step(301_000, well=True, why="") is None
    second = dead.step(316_000, well=False, why="lost")
    assert second is not None
    assert second.id != first.id


# --- telling --------------------------------------------------------------------------------------


async def test_a_command_gets_typed_fields_and_no_shell(tmp_path: Path) -> None:
    told = tmp_path / "told; touch $(shell)"
    hand = HandOver(writer(told), tmp_path / "record", GENESIS)

    await hand.tell([ALARM], 1234)

    (message,) = received(told)
    assert message["at_ms"] == 1234
    assert message["cluster"] == GENESIS.cluster.hex()[:12]
    assert isinstance(message["alarm"], dict)
    assert message["alarm"]["incident"] == "shop/checkout#1"
    assert message["alarm"]["attempts"] == 4
    assert hand.notices == ("shop/checkout#1: people were told",)


async def test_each_alarm_is_told_once_also_after_a_restart(tmp_path: Path) -> None:
    told = tmp_path / "told"
    hand = HandOver(writer(told), tmp_path / "record", GENESIS)
    await hand.tell([ALARM], 1)
    await hand.tell([ALARM], 2)
    (tmp_path / "record").write_bytes((tmp_path / "record").read_bytes() + b'{"id":"sho')

    again = HandOver(writer(told), tmp_path / "record", GENESIS)
    await again.tell([ALARM, OTHER], 3)
    await HandOver(writer(told), tmp_path / "record", GENESIS).tell([ALARM, OTHER], 4)

    assert [message["at_ms"] for message in received(told)] == [1, 3]


async def test_a_failure_is_tried_again_and_then_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "BETWEEN_S", 0.01)
    told = tmp_path / "told"
    hand = HandOver(writer(told, code=3), tmp_path / "record", GENESIS)

    await hand.tell([ALARM], 1)

    assert len(received(told)) == handover.TRIES
    assert "NOT handed over" in hand.notices[0]
    assert "ended with 3" in hand.notices[0]


async def test_a_program_that_is_not_there_is_an_outcome_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "BETWEEN_S", 0.01)
    hand = HandOver(Handover(("/no/such/program",)), tmp_path / "record", GENESIS)

    await hand.tell([ALARM], 1)

    assert "No such file" in hand.notices[0]


async def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "TRIES", 1)
    ways = Handover(("sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 61 & wait"), within_ms=500)
    hand = HandOver(ways, tmp_path / "record", GENESIS)
    began_s = time.monotonic()

    await hand.tell([ALARM], 1)

    assert time.monotonic() - began_s < 5
    assert "took over 500 ms" in hand.notices[0]
    group = int((tmp_path / "pid").read_text())
    await until(lambda: not _members(group))


def _members(group: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if fields[0] != "Z" and int(fields[2]) == group:
            found.append(int(folder.name))
    return found


class Hook(http.server.BaseHTTPRequestHandler):
    answers: tuple[int, ...] = (204,)
    got: tuple[bytes, ...] = ()

    def do_POST(self) -> None:
        cls = type(self)
        cls.got += (self.rfile.read(int(self.headers["Content-Length"])),)
        code = cls.answers[min(len(cls.got), len(cls.answers)) - 1]
        self.send_response(code)
        if code == 302:
            self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its base's word
        """Say nothing: a test's output is its own."""


@pytest.fixture
def hook() -> Iterator[type[Hook]]:
    class OneTest(Hook):
        url = ""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneTest)
    OneTest.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield OneTest
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_webhook_gets_the_same_object(tmp_path: Path, hook: type[Hook]) -> None:
    hand = HandOver(Handover(webhook=vars(hook)["url"]), tmp_path / "record", GENESIS)

    await hand.tell([ALARM], 7)

    assert [json.loads(body)["alarm"]["id"] for body in hook.got] == ["shop/checkout#1"]
    assert hand.notices == ("shop/checkout#1: people were told",)


async def test_a_webhook_that_fails_or_points_elsewhere_is_tried_again(
    tmp_path: Path, hook: type[Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "BETWEEN_S", 0.01)
    hook.answers = (500, 302, 200)
    hand = HandOver(Handover(webhook=vars(hook)["url"]), tmp_path / "record", GENESIS)

    await hand.tell([ALARM], 7)

    assert len(hook.got) == 3
    assert hand.notices == ("shop/checkout#1: people were told",)


async def test_without_a_way_it_is_said_that_nobody_was_told(tmp_path: Path) -> None:
    hand = HandOver(Handover(), tmp_path / "record", GENESIS)

    await hand.tell([ALARM], 7)

    assert "nobody is named in [handover]" in hand.notices[0]


# --- the policy that names the ways ---------------------------------------------------------------


def test_ways_survive_the_policy_file(tmp_path: Path) -> None:
    ways = Handover(("page", "--who", 'on "call"', "ü\\"), "https://example.org/hook", 5_000)
    write_rules(Rules(handover=ways), tmp_path / "policy.toml")

    assert read_rules(tmp_path / "policy.toml").handover == ways


@pytest.mark.parametrize(
    "text",
    [
        'webhook = "http://example.org/hook"',
        'webhook = "file:///etc/passwd"',
        'webhook = "https://"',
        'command = [""]',
        'command = "page me"',
        "within_ms = 0",
        "within_ms = 600000",
    ],
)
def test_what_could_not_be_carried_out_is_refused_when_it_is_read(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(f"[handover]\n{text}\n")

    with pytest.raises(Malformed, match=r"policy\.toml: .*handover"):
        read_rules(path)
