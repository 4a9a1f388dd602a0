"""No fault outlives its drill, whatever becomes of the runner; and nobody can read what it does."""

import os
import signal
import time
from pathlib import Path

import msgspec
import pytest

from chaos.door import AskState
from chaos.faults.fault import KillService
from chaos.rehearsal import Rehearsal, RehearsalFailed
from engine.topology import ServiceStatus
from tests.fleet.shop import RunningShop, alive, descendants, eventually

pytestmark = pytest.mark.fleet

FAULT = KillService("payments")


async def test_a_drill_breaks_proves_answers_and_undoes(shop: RunningShop) -> None:
    began_ns = time.monotonic_ns()
    rehearsal = await Rehearsal.start(shop.paths, FAULT, 200)

    injected_ns, effect = await rehearsal.injected()
    present = await rehearsal.present()
    undone = await rehearsal.over()

    assert injected_ns - began_ns >= 200_000_000
    assert effect.took_effect
    assert effect.took_effect_ns >= injected_ns
    assert present is not None
    assert present.present
    assert undone is not None
    assert not undone.present
    assert shop.status("payments").alive


async def test_what_a_drill_is_about_is_not_to_be_read_from_its_processes(
    shop: RunningShop,
) -> None:
    rehearsal = await Rehearsal.start(shop.paths, FAULT, 60_000)
    pids = {rehearsal.pid} | descendants(rehearsal.pid)
    assert len(pids) == 2

    told = b""
    for pid in pids:
        told += Path(f"/proc/{pid}/cmdline").read_bytes()
        told += Path(f"/proc/{pid}/environ").read_bytes().replace(b"PYTEST_CURRENT_TEST", b"")
    await rehearsal.over()

    assert b"payments" not in told
    assert b"kill" not in told.split(b"PYTEST")[0].lower()


async def test_a_drill_that_is_over_before_its_onset_breaks_nothing(shop: RunningShop) -> None:
    before = shop.generation("payments")
    rehearsal = await Rehearsal.start(shop.paths, FAULT, 60_000)

    assert await rehearsal.over() is None

    assert shop.generation("payments") == before


async def runs_of(shop: RunningShop) -> list[ServiceStatus]:
    """What runs, without the files that it has open: customers come and go."""
    status = (await shop.door.say(AskState())).status
    assert status is not None
    return [msgspec.structs.replace(service, uses=()) for service in status.services]


async def test_a_quiet_drill_breaks_nothing(shop: RunningShop) -> None:
    before = await runs_of(shop)
    rehearsal = await Rehearsal.start(shop.paths, None, 10)

    assert await rehearsal.present() is None
    assert await rehearsal.over() is None

    assert await runs_of(shop) == before


async def test_a_drill_is_undone_when_the_one_who_listens_goes_away(shop: RunningShop) -> None:
    rehearsal = await Rehearsal.start(shop.paths, FAULT, 10)
    await rehearsal.injected()

    await rehearsal.abandon()

    assert shop.status("payments").alive


async def test_a_fault_is_gone_two_seconds_after_the_runner_was_killed(shop: RunningShop) -> None:
    rehearsal = await Rehearsal.start(shop.paths, FAULT, 10)
    await rehearsal.injected()
    watchdogs = descendants(rehearsal.pid)
    assert len(watchdogs) == 1

    os.kill(rehearsal.pid, signal.SIGKILL)
    killed_s = time.monotonic()

    async def gone() -> bool:
        return shop.status("payments").alive and not any(alive(pid) for pid in watchdogs)

    await eventually(gone, deadline_s=10, every_s=0.02)
    assert time.monotonic() - killed_s < 2.0
    with pytest.raises(RehearsalFailed):
        await rehearsal.present()
