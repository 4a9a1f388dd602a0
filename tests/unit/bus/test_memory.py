"""The bus in memory: in order, by subject, bounded."""

import asyncio

from engine.bus.memory import MemoryBus
from tests.until import until


async def test_messages_come_in_order_to_whoever_asked_for_their_subject() -> None:
    bus, heard = MemoryBus(), list[tuple[str, bytes]]()

    async def hear(subject: str, payload: bytes) -> None:
        heard.append((subject, payload))

    await bus.subscribe("pbft.*", hear)
    for subject in ("pbft.a", "pbft.a.b", "other.a", "pbft.b"):
        await bus.publish(subject, subject.encode())

    await until(lambda: len(heard) == 2)
    assert heard == [("pbft.a", b"pbft.a"), ("pbft.b", b"pbft.b")]
    await bus.close()


async def test_the_newest_are_dropped_and_counted_when_too_many_wait() -> None:
    bus, heard, gate = MemoryBus(), list[bytes](), asyncio.Event()

    async def hear(_subject: str, payload: bytes) -> None:
        await gate.wait()
        heard.append(payload)

    await bus.subscribe("a", hear, pending=2)
    for number in range(5):
        await bus.publish("a", b"%d" % number)
    assert bus.dropped == 3

    gate.set()
    await until(lambda: len(heard) == 2)
    assert heard == [b"0", b"1"]
    await bus.close()
