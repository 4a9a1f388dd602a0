"""Tells Kinesis and EventBridge what was ordered, from the ledger, at least once and in order.

The ledger is the queue and a cursor on disk says how far it has been told, so an outage or a crash
loses nothing. What comes twice carries the same ``id``: consumers drop it by that. An event holds
who said what about which incident, and no telemetry.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.aws.circuit import Circuit
from engine.aws.clients import AWS_ERRORS, Client, code_of
from engine.clock import Clock
from engine.codec import Malformed, decode
from engine.consensus.clients import submission_in
from engine.ledger.sqlite import SqliteLedger
from engine.vocabulary import Entry

SOURCE = "incident-commander"
LOOK_EVERY_S = 0.5
MOST_ENTRIES = 50
KINESIS_MOST = 500
EVENTBRIDGE_MOST = 10
"""Records of one request (service quotas)."""


class Happened(msgspec.Struct, frozen=True):
    """One ordered operation, as consumers see it."""

    id: str
    """The same whenever it is told: cluster, sequence number, and place in the batch."""
    cluster: str
    sequence_number: int
    at_ms: int
    author: str
    what: str
    """The operation's tag."""
    incident: str
    """Empty where the operation is about none."""


def happened_in(entry: Entry, received_ms: int, cluster: str) -> Iterator[Happened]:
    """What an entry says, operation by operation (pure)."""
    place = 0
    for frame in entry.batch:
        try:
            submission = submission_in(frame)
        except Malformed:
            continue
        for operation in submission.operations:
            yield Happened(
                f"{cluster}/{entry.sequence_number}/{place}",
                cluster,
                entry.sequence_number,
                received_ms,
                submission.author,
                str(operation.__struct_config__.tag),
                str(getattr(operation, "incident", "")),
            )
            place += 1


class Telling:
    """Follows the ledger and tells it on."""

    def __init__(
        self,
        stream: str,
        bus: str,
        client: Callable[[str], Client],
        ledger: SqliteLedger,
        cursor: Path,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """Tell a Kinesis ``stream`` and an EventBridge ``bus``; an empty name is not told."""
        self.circuit = Circuit()
        self._stream = stream
        self._bus = bus
        self._make = client
        self._ledger = ledger
        self._cursor = cursor
        self._clock = clock
        self._rng = rng
        self.told = _read(cursor)
        """Sequence number up to which everything was told."""

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            now_s = self._clock.monotonic_ns() / 1e9
            if not self.circuit.may_ask(now_s):
                await asyncio.sleep(max(0.01, self.circuit.wait_s(now_s)))
            elif not await self.step():
                await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> bool:
        """Tell the next entries; whether there may be more."""
        cluster = self._ledger.genesis.cluster.hex()[:12]
        rows = self._ledger.read_rows(self.told + 1, MOST_ENTRIES)
        events = [
            event
            for _, blob, _, received_ms in rows
            for event in happened_in(decode(blob, Entry), received_ms, cluster)
        ]
        if not rows:
            return False
        try:
            await asyncio.to_thread(self._tell, events)
        except (*AWS_ERRORS, Partly) as error:
            now_s = self._clock.monotonic_ns() / 1e9
            self.circuit.failed(now_s, self._rng.random(), f"{code_of(error)}: {error}")
            return False
        self.circuit.answered()
        self.told = rows[-1][0]
        scratch = self._cursor.with_suffix(".part")
        scratch.write_text(f"{self.told}\n")
        scratch.replace(self._cursor)
        return True

    def _tell(self, events: list[Happened]) -> None:
        if self._stream:
            for first in range(0, len(events), KINESIS_MOST):
                self._put_records(events[first : first + KINESIS_MOST])
        if self._bus:
            for first in range(0, len(events), EVENTBRIDGE_MOST):
                self._put_events(events[first : first + EVENTBRIDGE_MOST])

    def _put_records(self, events: list[Happened]) -> None:
        # One partition a cluster keeps the log's order; a shard takes 1,000 records a second.
        records = [{"Data": msgspec.json.encode(e), "PartitionKey": e.cluster} for e in events]
        kinesis = self._make("kinesis")
        answer = kinesis.put_records(StreamName=self._stream, Records=records)
        _whole(answer, "FailedRecordCount")

    def _put_events(self, events: list[Happened]) -> None:
        entries = [
            {
                "Source": SOURCE,
                "DetailType": event.what,
                "Detail": msgspec.json.encode(event).decode(),
                "EventBusName": self._bus,
            }
            for event in events
        ]
        _whole(self._make("events").put_events(Entries=entries), "FailedEntryCount")


class Partly(Exception):
    """Some records of a request were not taken: all are told again."""


def _whole(answer: dict[str, Any], failed: str) -> None:
    if answer.get(failed):
        raise Partly(f"{answer[failed]} records were not taken")


def _read(cursor: Path) -> int:
    """The number in a cursor file; from the beginning where it is missing or damaged."""
    try:
        return max(0, int(cursor.read_text()))
    except (OSError, ValueError):
        return 0
