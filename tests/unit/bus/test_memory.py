"""The bus in memory: in order, by subject, bounded."""

from engine.bus.memory import MOST_WAITING, MemoryBus
from tests.until import until


async def test_messages_come_in_order_to_whoever_asked_for_their_subject() -> None:
    bus, heard = MemoryBus(), list[tuple[str, bytes]]()
    await bus.subscribe("pbft.*", lambda subject, payload: heard.append((subject, payload)))

    for subject in ("pbft.a", "pbft.a.b", "other.a", "pbft.b"):
        await bus.publish(subject, subject.encode())

    await until(lambda: len(heard) == 2)
    assert heard == [("pbft.a", b"pbft.a"), ("pbft.b", b"pbft.b")]
    await bus.close()


async def test_the_newest_are_dropped_and_counted_when_too_many_wait() -> None:
    bus, heard = MemoryBus(), list[bytes]()
    await bus.subscribe("a", lambda _subject, payload: heard.append(payload))

    for number in range(MOST_WAITING + 3):
        await bus.publish("a", b"%d" % number)

    assert bus.dropped == 3
    await until(lambda: len(heard) == MOST_WAITING)
    assert heard[-1] == b"%d" % (MOST_WAITING - 1)
    await bus.close()
