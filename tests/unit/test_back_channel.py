"""What the engine passes on of what screens command: only what an operator signed, and saw."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.back_channel import BackChannel
from engine.bus.memory import MemoryBus
from engine.clock import SystemClock
from engine.codec import decode, encode
from engine.ledger.replay import Replay
from engine.paths import RunPaths
from engine.stream.commands import Operator, Shown
from engine.stream.wire import Command
from engine.vocabulary import AuthorId, Signed
from tests.court import CHECKOUT, OPERATOR, STRANGER, VERIFIER, Court, signer_of

SHOWN = Shown(CHECKOUT, 3, "ab" * 32, 1_000_000)


def _operator(court: Court, name: AuthorId = OPERATOR, key: AuthorId = OPERATOR) -> Operator:
    return Operator(name, signer_of(key), court.genesis.cluster, court.genesis.epoch)


def _channel(court: Court, bus: MemoryBus, folder: Path) -> BackChannel:
    return BackChannel(
        RunPaths(folder), Replay(court.council), VERIFIER, bus, SystemClock(), None, None
    )


async def test_what_an_operator_signed_goes_to_the_agents_as_it_is(tmp_path: Path) -> None:
    court, bus = Court(), MemoryBus()
    command = _operator(court).approve(SHOWN, 1)
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def hear(subject: str, payload: bytes) -> None:
        heard.put_nowait((subject, payload))

    await bus.subscribe("submit.*", hear)
    channel = _channel(court, bus, tmp_path)
    reply = await channel.take(command)
    async with asyncio.timeout(5):
        passed_on = await heard.get()
    channel.close()
    await bus.close()

    assert (reply.id, reply.accepted) == (command.id, True)
    assert passed_on == (f"submit.{OPERATOR}", command.payload)


def _forged(court: Court) -> Command:
    return _operator(court, key=STRANGER).note(CHECKOUT, "in alice's name", 1)


def _altered(court: Court) -> Command:
    command = _operator(court).note(CHECKOUT, "as it was signed", 1)
    signed = decode(command.payload, Signed)
    payload = signed.payload.replace(b"as it was", b"as it is.")
    return replace(command, payload=encode(Signed(payload, signed.signature)))


def _of_a_stranger(court: Court) -> Command:
    return _operator(court, STRANGER, STRANGER).note(CHECKOUT, "hello", 1)


def _about_another_plan(court: Court) -> Command:
    return replace(_operator(court).approve(SHOWN, 1), seen="cd" * 32)


def _without_what_was_seen(court: Court) -> Command:
    return replace(_operator(court).undo(SHOWN, 1), seen="")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (_forged, "not signed by an operator"),
        (_altered, "not signed by an operator"),
        (_of_a_stranger, "not signed by an operator"),
        (_about_another_plan, "another plan than was shown"),
        (_without_what_was_seen, "another plan than was shown"),
        (lambda _: Command("c-1", b"nonsense"), ""),
    ],
)
async def test_nothing_else_is_passed_on(
    wrong: Callable[[Court], Command], why: str, tmp_path: Path
) -> None:
    court, bus = Court(), MemoryBus()
    channel = _channel(court, bus, tmp_path)
    command = wrong(court)

    reply = await channel.take(command)

    assert (reply.id, reply.accepted) == (command.id, False)
    assert why in reply.reason
    assert not channel._relays


@pytest.mark.parametrize("stops", [True, False])
async def test_a_freeze_that_the_actuator_cannot_hear_still_stops_the_agents(
    tmp_path: Path, *, stops: bool
) -> None:
    court, bus = Court(), MemoryBus()
    channel = _channel(court, bus, tmp_path)
    operator = _operator(court)
    command = operator.freeze(1) if stops else operator.thaw(1)

    reply = await channel.take(command)

    assert (reply.accepted, len(channel._relays)) == (False, int(stops))
    assert reply.reason.startswith("refused: the actuator does not answer")
    assert ("the agents are told to stop" in reply.reason) == stops
    channel.close()
    await bus.close()
