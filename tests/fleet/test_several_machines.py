"""A swarm over several machines: bus, actuator and founding elsewhere, and what a lost process costs."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from engine.bus.nats import NatsBus
from engine.bus.nkey import BusKey
from tests.fleet.commands import ROOT, command
from tests.fleet.machines import DOOR, Machines
from tests.until import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with tempfile.TemporaryDirectory(prefix="machines-") as folder:
        running = Machines(Path(folder))
        try:
            running.start()
            running.wait(running.founded, 60, "the founding")
            yield running
        finally:
            running.stop()


def freeze(machines: Machines, word: str) -> subprocess.CompletedProcess[str]:
    """An operator's command, with no engine in between."""
    at = ("--run-dir", str(machines.shared), "--actuator", f"{machines.host('actuator')}:{DOOR}")
    key = str(machines.paths("engine").operator_key)
    return subprocess.run(
        command(word, *at, "--key", key), cwd=ROOT, capture_output=True, text=True, check=False
    )


async def test_it_decides_and_goes_on_while_any_one_server_of_the_bus_is_gone(
    machines: Machines,
) -> None:
    await machines.decide()
    for name in ("bus-1", "bus-2", "bus-3"):
        machines.kill(name)
        await machines.decide()
        machines.start(name)
        machines.wait(partial(machines.is_ready, name, 2), 20, name)
    await machines.decide()


async def test_an_agent_that_lost_its_folder_does_not_come_back_as_another(
    machines: Machines,
) -> None:
    machines.kill("communication-1")
    kept, lost = machines.private("communication-1"), machines.folder / "lost"
    kept.rename(lost)
    machines.start("communication-1")
    machines.wait(lambda: machines.code("communication-1") is not None, 30, "it ends")

    assert machines.code("communication-1") == 1
    assert "not the key of communication-1 that the genesis pins" in machines.log("communication-1")

    shutil.rmtree(kept)
    lost.rename(kept)
    machines.start("communication-1")
    await machines.decide()


async def test_an_actuator_obeys_a_freeze_without_an_engine_and_after_it_was_killed(
    machines: Machines,
) -> None:
    machines.wait(lambda: freeze(machines, "thaw").returncode == 0, 30, "the actuator answers")
    machines.kill("engine")
    machines.kill("actuator")
    away = freeze(machines, "freeze")
    machines.start("actuator")

    assert away.returncode == 1
    assert "does not answer; is it up?" in away.stderr
    machines.wait(lambda: freeze(machines, "freeze").returncode == 0, 30, "it obeys")
    assert freeze(machines, "thaw").stdout.startswith("thawed")
    machines.start("engine")
    await machines.decide()


async def test_only_a_shown_key_enters_the_bus_and_speaks_under_its_own_name(
    machines: Machines, tmp_path: Path
) -> None:
    stranger = asyncio.create_task(
        NatsBus.enter(machines.servers, "detection-1", BusKey(tmp_path / "key"))
    )
    agent = await NatsBus.enter(
        machines.servers, "detection-1", BusKey(machines.paths("detection-1").bus_key)
    )
    heard: list[str] = []
    engine = await NatsBus.enter(
        machines.servers, "engine", BusKey(machines.paths("engine").bus_key)
    )
    await engine.subscribe("status.*", lambda subject, _: heard.append(subject))
    await engine.flush()

    await agent.publish("status.witness", b"not mine")
    await agent.publish("status.detection-1", b"not well made, but mine")
    await agent.flush()
    await until(lambda: "status.detection-1" in heard)

    assert "status.witness" not in heard
    assert not stranger.done()
    stranger.cancel()
    await asyncio.gather(stranger, return_exceptions=True)
    await agent.close()
    await engine.close()
