"""The shop of real processes: it comes up, breaks for real, is mended once, and loses no order."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from chaos.door import AskEffect, DrillAnswer, DrillRequest, Inject, Respond, Traffic, Undo
from chaos.experiments import BAD_RELEASES
from chaos.faults.fault import DeployRelease, KillService
from chaos.faults.undo import State, UndoEntry, ledger_path, newest
from chaos.fleet.ask import ask
from chaos.fleet.repairs import JournalLine, RepairJournal
from engine.act.fleet import FleetExecutor, exchange
from engine.clock import SystemClock
from engine.fleet_door import open_fleet_door
from engine.ports import ActionKey
from engine.vocabulary import (
    Deploy,
    Generation,
    OutcomeKind,
    RestartService,
    RollBack,
    ServiceName,
)
from tests.fleet.shop import ROOT, UP_WITHIN_S, RunningShop, alive, eventually

if TYPE_CHECKING:
    from engine.telemetry.records import Span

pytestmark = pytest.mark.fleet

PAYMENTS = ServiceName("payments")


def key() -> ActionKey:
    return ActionKey(os.urandom(32), 0)


async def kill(shop: RunningShop, service: str) -> str:
    fault_id = os.urandom(8).hex()
    answer = await shop.door.say(Inject(fault_id, KillService(service)))
    assert answer.effect is not None
    assert answer.effect.took_effect
    return fault_id


async def present(shop: RunningShop, fault_id: str) -> bool:
    effect = (await shop.door.say(AskEffect(fault_id))).effect
    assert effect is not None
    return effect.present


async def failing_share(shop: RunningShop, service: str, target: str) -> float:
    port = int(shop.endpoints.services[ServiceName(service)].health.split(":")[2].split("/")[0])
    ids = [os.urandom(8).hex() for _ in range(150)]
    answers = [await ask(port, target, request_id=name, within_s=5) for name in ids]
    return sum(status >= 500 for status in answers) / len(answers)


def test_it_comes_up_quickly_and_says_where_to_look(shop: RunningShop) -> None:
    assert shop.up_s < UP_WITHIN_S
    for name, endpoints in shop.endpoints.services.items():
        assert shop.status(name).alive
        assert Path(endpoints.log).read_bytes().count(b"\n") >= 1
        if endpoints.metrics:
            assert b"service_requests_total" in shop.page(endpoints.metrics)
    assert b'caller="orders",callee="payments"' in shop.page(shop.endpoints.links[0])


def test_nothing_secret_is_open_to_others(shop: RunningShop) -> None:
    paths = shop.paths
    secret = [paths.repair_token, paths.chaos_token, paths.repair_socket, paths.chaos_socket]
    secret += [paths.fleet / "wiring.json", paths.fleet / "redis" / "redis.conf"]

    assert [path.name for path in secret if path.stat().st_mode & 0o077] == []


async def test_its_spans_tell_who_called_whom(shop: RunningShop) -> None:
    """The services send OTLP to whoever has opened a door: here the engine's own."""
    seen: list[Span] = []
    # What waited since the shop came up may be cut at its beginning: only what is new is whole.
    began_s = time.time()
    async with open_fleet_door(shop.paths, lambda spans, _: seen.extend(spans), SystemClock()):

        async def paid() -> bool:
            return any(span.service == "payments" and span.t > began_s + 1 for span in seen)

        await eventually(paid)
        payment = next(it for it in seen if it.service == "payments" and it.t > began_s + 1)

        async def whole() -> bool:
            return {"gateway", "orders"} <= {
                span.service for span in seen if span.trace_id == payment.trace_id
            }

        await eventually(whole)
    by_id = {span.span_id: span for span in seen if span.trace_id == payment.trace_id}
    order = by_id[payment.parent_id]
    assert (order.service, by_id[order.parent_id].service) == ("orders", "gateway")
    assert not shop.paths.fleet_door.exists()


async def test_a_killed_service_stays_dead_until_its_run_is_restarted_once(
    shop: RunningShop,
) -> None:
    fault_id = await kill(shop, PAYMENTS)
    dead = shop.status(PAYMENTS)
    assert (dead.alive, dead.exit) == (False, "signal 9")
    assert dead.generation is not None
    repair, used = RestartService(PAYMENTS, dead.generation), key()

    before = await shop.executor.observe(used, repair)
    first = await shop.executor.perform(used, repair)
    again = await shop.executor.perform(used, repair)
    after = await shop.executor.observe(used, repair)

    assert before.outcome is OutcomeKind.NOT_DONE
    assert first.outcome is again.outcome is after.outcome is OutcomeKind.DONE
    assert first.generation == again.generation == shop.generation(PAYMENTS)
    assert first.generation != dead.generation
    assert not await present(shop, fault_id)
    assert shop.status(PAYMENTS).alive


async def test_a_repair_of_another_run_than_the_current_one_is_not_done(shop: RunningShop) -> None:
    now = shop.generation(PAYMENTS)
    stale = Generation(now.pid, now.started_ms - 1, now.release)

    report = await shop.executor.perform(key(), RestartService(PAYMENTS, stale))

    assert (report.outcome, report.generation) == (OutcomeKind.NOT_DONE, now)


async def test_a_key_that_was_used_does_nothing_for_another_action(shop: RunningShop) -> None:
    now, used = shop.generation(PAYMENTS), key()
    await shop.executor.perform(used, RollBack(PAYMENTS, now, "0.9.9"))

    report = await shop.executor.perform(used, RestartService(PAYMENTS, now))

    assert (report.outcome, report.generation) == (OutcomeKind.NOT_DONE, now)


async def test_a_release_that_never_ran_cannot_be_rolled_back_to(shop: RunningShop) -> None:
    cart = ServiceName("cart")

    report = await shop.executor.perform(key(), RollBack(cart, shop.generation(cart), "1.0.1"))

    assert (report.outcome, report.reason) == (
        OutcomeKind.NOT_DONE,
        "that release did not run before",
    )


async def test_a_bad_release_fails_a_third_until_it_is_rolled_back(shop: RunningShop) -> None:
    inventory, bad = ServiceName("inventory"), BAD_RELEASES["inventory"]
    answer = await shop.door.say(Inject("bad", DeployRelease(inventory, bad)))
    assert answer.effect is not None
    assert answer.effect.took_effect
    assert answer.effect.present
    assert 0.2 < await failing_share(shop, inventory, "/stock/1") < 0.47
    assert shop.status(inventory).changes[-1].release == bad

    report = await shop.executor.perform(
        key(), RollBack(inventory, shop.generation(inventory), "1.0.0")
    )

    assert report.outcome is OutcomeKind.DONE
    assert not await present(shop, "bad")
    assert await failing_share(shop, inventory, "/stock/1") == 0
    assert [change.release for change in shop.status(inventory).changes] == ["1.0.0", bad, "1.0.0"]


async def test_the_restart_policy_restarts_what_hangs_too(shop: RunningShop) -> None:
    hung = shop.generation("cart")
    os.kill(hung.pid, signal.SIGSTOP)
    await shop.door.say(Respond("restart"))

    async def restarted() -> bool:
        return shop.generation("cart") != hung and shop.status("cart").alive

    try:
        await eventually(restarted)
    finally:
        await shop.door.say(Respond("off"))


async def test_a_harmless_release_goes_live_without_a_failed_request(shop: RunningShop) -> None:

    async def well() -> bool:
        return not any(second.bad for second in shop.load_log()[-3:])

    await eventually(well)
    before = shop.failed_requests()

    for release in ("1.0.1", "1.0.0"):
        report = await shop.executor.perform(key(), Deploy(ServiceName("catalog"), release))
        assert report.outcome is OutcomeKind.DONE

    after = len(shop.load_log())

    async def later() -> bool:
        return len(shop.load_log()) > after + 1

    await eventually(later)
    assert shop.failed_requests() == before


async def test_the_undo_of_a_roll_back_is_a_deploy(shop: RunningShop) -> None:
    cart = ServiceName("cart")

    there = await shop.executor.perform(key(), Deploy(cart, "1.0.1"))
    back = await shop.executor.perform(key(), RollBack(cart, shop.generation(cart), "1.0.0"))
    nowhere = await shop.executor.perform(key(), Deploy(cart, "7.0.0"))

    assert (there.outcome, back.outcome) == (OutcomeKind.DONE, OutcomeKind.DONE)
    assert (nowhere.outcome, nowhere.reason) == (OutcomeKind.NOT_DONE, "no such release")


async def test_the_door_for_repairs_refuses_the_token_of_a_drill(shop: RunningShop) -> None:
    now = shop.generation(PAYMENTS)
    stranger = FleetExecutor(shop.paths.repair_socket, shop.paths.chaos_token)

    with pytest.raises(PermissionError, match="not the token of this door"):
        await stranger.perform(key(), RestartService(PAYMENTS, now))

    assert shop.generation(PAYMENTS) == now


async def test_the_door_for_drills_refuses_the_token_of_the_actuator(shop: RunningShop) -> None:
    token = shop.paths.repair_token.read_text().strip()
    request = DrillRequest(token, Inject("stranger", KillService(PAYMENTS)))

    line = await exchange(shop.paths.chaos_socket, msgspec.json.encode(request))

    answer = msgspec.json.decode(line, type=DrillAnswer)
    assert answer == DrillAnswer(refused="not the token of this door")
    assert shop.status(PAYMENTS).alive


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff\xfe", b"[" * 5_000, b'{"token":1}'])
async def test_garbage_at_a_door_gets_one_clear_answer(shop: RunningShop, line: bytes) -> None:
    for socket in (shop.paths.repair_socket, shop.paths.chaos_socket):
        assert b"not a request" in await exchange(socket, line)


async def test_an_undone_fault_stays_undone(shop: RunningShop) -> None:
    fault_id = await kill(shop, "catalog")

    await shop.door.say(Undo(fault_id))
    mended = shop.generation("catalog")
    await shop.door.say(Undo(fault_id))
    await shop.mend()

    assert shop.generation("catalog") == mended
    assert not await present(shop, fault_id)


async def test_the_restart_policy_restarts_what_died_and_only_while_it_is_on(
    shop: RunningShop,
) -> None:
    before = await shop.interventions()
    await shop.door.say(Respond("restart"))
    fault_id = await kill(shop, PAYMENTS)

    async def mended() -> bool:
        return not await present(shop, fault_id)

    await eventually(mended)
    await shop.door.say(Respond("off"))

    assert await shop.interventions() == before + 1


@pytest.mark.parametrize("victim", ["orders", "postgres"])
async def test_no_acknowledged_order_is_lost_when_something_is_killed_under_load(
    shop: RunningShop, victim: str
) -> None:
    before = (await shop.integrity()).orders_acknowledged

    async def busy() -> bool:
        return (await shop.integrity()).orders_acknowledged >= before + 10

    await eventually(busy)
    fault_id = await kill(shop, victim)
    await shop.door.say(Undo(fault_id))
    assert (await shop.integrity()).sound

    await shop.door.say(Traffic(False))
    try:

        async def quiet() -> bool:
            return (await shop.integrity()).quiet

        await eventually(quiet, deadline_s=30)
        # A request that was under way when traffic ended may still be answered: look twice.
        settled = await shop.integrity()
    finally:
        await shop.door.say(Traffic(True))

    assert settled.orders_acknowledged > before
    assert settled.orders_lost == 0
    assert settled.equal, settled


async def test_the_probe_sees_a_kill_within_two_seconds_and_green_again_after_it(
    shop: RunningShop,
) -> None:
    from chaos.fleet.judge import Second, read_probe_log

    def seconds() -> list[Second]:
        return read_probe_log(shop.paths.probe_log.read_bytes())

    async def green() -> bool:
        return all(second.green for second in seconds()[-2:])

    await eventually(green)
    fault_id = await kill(shop, PAYMENTS)
    effect = (await shop.door.say(AskEffect(fault_id))).effect
    assert effect is not None

    async def red() -> bool:
        last = seconds()[-1]
        return last.first_bad_ns is not None and last.first_bad_ns >= effect.took_effect_ns

    await eventually(red, deadline_s=5)
    await shop.door.say(Undo(fault_id))
    await eventually(green)


def test_when_the_orchestrator_is_killed_nothing_is_left_and_the_next_start_is_clean() -> None:
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        shop = RunningShop(Path(folder))
        shop.wait_until_up()
        members = shop.members()
        assert len(members) > 12
        restart, used = RestartService(PAYMENTS, shop.generation(PAYMENTS)), key()
        asyncio.run(kill(shop, PAYMENTS))
        # What a crash between intent and outcome leaves on the disk.
        RepairJournal(shop.paths.fleet / "repairs.jsonl").write(JournalLine(used, restart))

        os.kill(shop.process.pid, signal.SIGKILL)
        assert shop.stop() == -signal.SIGKILL

        async def gone() -> bool:
            return not any(alive(pid) for pid in members)

        asyncio.run(eventually(gone, deadline_s=5))
        assert [entry.state for entry in entries(shop)] == [State.INJECTED]

        shop = RunningShop(Path(folder))
        shop.wait_until_up()
        report = asyncio.run(shop.executor.perform(used, restart))
        status = shop.status(PAYMENTS)
        shop.stop()

        assert [entry.state for entry in entries(shop)] == [State.UNDONE]
        assert status.alive
        assert (report.outcome, report.generation) == (OutcomeKind.UNKNOWN, status.generation)


def entries(shop: RunningShop) -> list[UndoEntry]:
    return list(newest(ledger_path(shop.paths).read_bytes()).values())


def test_a_shop_whose_proxies_are_gone_says_so_and_ends() -> None:
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        shop = RunningShop(Path(folder))
        shop.wait_until_up()
        members = shop.members()
        (proxy,) = (pid for pid in members if b"chaos.proxy" in command_line(pid))

        os.kill(proxy, signal.SIGKILL)
        code = shop.process.wait(timeout=15)

        shop.stop()
        assert code == 1
        assert "the proxy ended by itself" in (Path(folder) / "fleet.err").read_text()
        assert not any(alive(pid) for pid in members)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [(b"name = ", "fleet.toml: no TOML: Invalid value"), (None, "cannot read the manifest")],
)
def test_a_shop_that_cannot_start_says_why_in_one_line(manifest: bytes | None, said: str) -> None:
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        if manifest is not None:
            (Path(folder) / "fleet.toml").write_bytes(manifest)

        ended = subprocess.run(
            [sys.executable, "-m", "chaos.fleet", "--run-dir", folder],
            cwd=ROOT,
            input=b"",
            capture_output=True,
            check=False,
        )

        assert ended.returncode == 1
        assert said in ended.stderr.decode()
        assert ended.stderr.count(b"\n") == 1


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_when_the_lifeline_closes_everything_ends_cleanly() -> None:
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        shop = RunningShop(Path(folder))
        shop.wait_until_up()
        members = shop.members()

        code = shop.stop()

        assert code == 0
        assert not any(alive(pid) for pid in members)
        assert not shop.paths.endpoints.exists()
        assert (Path(folder) / "fleet.err").read_text() == ""
