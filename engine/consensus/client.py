"""How an author gets operations ordered: signs them, sends them, insists until it is done."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from engine.clock import Clock
from engine.codec import Malformed, decode, encode
from engine.consensus.charter_proof import succeeding
from engine.consensus.committee import Committee, Refused
from engine.consensus.effects import Began
from engine.consensus.messages import Ordered
from engine.genesis import Genesis
from engine.ports import Bus
from engine.signing import Domain, Signer, Verifier
from engine.vocabulary import AuthorId, Operation, Signed, Submission

FIRST_PAUSE_S = 0.25
"""A decision takes some 20 ms; whoever hears nothing for ten times that says it again."""
LAST_PAUSE_S = 2.0
MOST_UNDER_WAY = 64
MOST_WAITING = 256


class Overloaded(RuntimeError):
    """More submissions wait than may; nothing of this one was sent, try again later."""


@dataclass
class _UnderWay:
    """One submission and who said where it stands."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    said: dict[int, int] = field(default_factory=dict)
    number: int = 0


class Submitter:
    """One author's way into the log."""

    def __init__(
        self,
        bus: Bus,
        signer: Signer,
        author: AuthorId,
        genesis: Genesis,
        verifier: Verifier,
        clock: Clock,
        *,
        after: int = 0,
    ) -> None:
        """Submit as ``author``; counters rise from the wall clock and from ``after``.

        ``after`` is a counter that was surely used before, where the author knows one: it keeps
        counters rising although the wall clock was set back between two runs.
        """
        self._bus = bus
        self._signer = signer
        self._author = author
        self._committee = Committee(genesis, verifier)
        self._cluster = genesis.cluster
        self.on_charter: Callable[[Began], None] = lambda _: None
        """Hears of each new epoch, with the proof that it began."""
        self.charters: Callable[[], Sequence[Began]] = tuple
        """All beginnings that somebody has kept; asked when one was missed on the bus."""
        self._clock = clock
        self._counter = after
        self._under_way: dict[int, _UnderWay] = {}
        self._room = asyncio.Semaphore(MOST_UNDER_WAY)
        self._waiting = 0
        self._subscribed = False

    async def run(self) -> None:
        """Hear what the agents say was ordered, until cancelled."""
        await self._subscribe()
        await asyncio.Event().wait()

    async def submit(self, operations: Sequence[Operation]) -> int:
        """Have ``operations`` ordered as one submission; returns their sequence number.

        Insists for ever: bound it with ``asyncio.timeout``. What was sent may still be ordered
        after that.

        Raises:
            Overloaded: too many wait already.
        """
        if self._waiting >= MOST_WAITING:
            raise Overloaded(f"{self._author}: {self._waiting} submissions wait to be ordered")
        await self._subscribe()
        self._waiting += 1
        try:
            async with self._room:
                return await self._insist(self._next_counter(), tuple(operations))
        finally:
            self._waiting -= 1

    async def _insist(self, counter: int, operations: tuple[Operation, ...]) -> int:
        waiting = self._under_way[counter] = _UnderWay()
        pause_s = FIRST_PAUSE_S
        epoch, frame = -1, b""
        try:
            while True:
                # The same words under the same number, for the epoch that counts them: the one
                # that is ordered first is the only one that counts.
                if epoch != self._committee.epoch:
                    epoch, frame = self._committee.epoch, self._signed(counter, operations)
                await self._bus.publish(f"submit.{self._author}", frame)
                try:
                    async with asyncio.timeout(pause_s):
                        await waiting.done.wait()
                except TimeoutError:
                    pause_s = min(2 * pause_s, LAST_PAUSE_S)
                else:
                    return waiting.number
        finally:
            del self._under_way[counter]

    def _signed(self, counter: int, operations: tuple[Operation, ...]) -> bytes:
        epoch = self._committee.epoch
        payload = encode(Submission(self._cluster, epoch, self._author, counter, operations))
        return encode(Signed(payload, self._signer.sign(Domain.SUBMISSION, payload)))

    def follow(self, began: Began) -> None:
        """Speak in the epoch that ``began`` proves, if it is the next one."""
        if began.charter.epoch > self._committee.epoch + 1:
            # One was missed: whoever keeps them all is asked.
            for earlier in self.charters():
                if earlier.charter.epoch == self._committee.epoch + 1:
                    self._follow(earlier)
        self._follow(began)

    def _follow(self, began: Began) -> None:
        try:
            following = succeeding(began, self._committee)
        except Refused:
            return
        self.speak_in(following.genesis)
        self.on_charter(began)

    def speak_in(self, constitution: Genesis) -> None:
        """Speak in the epoch of ``constitution``, of which the caller is sure."""
        self._committee = self._committee.amended(constitution)
        for waiting in self._under_way.values():
            # Words of the old epoch are not added to those of the new one.
            waiting.said.clear()

    def _next_counter(self) -> int:
        self._counter = max(self._counter + 1, self._clock.unix_ms() * 1_000_000)
        return self._counter

    def _is_awaited(self, counter: int) -> bool:
        waiting = self._under_way.get(counter)
        return waiting is not None and not waiting.done.is_set()

    async def _subscribe(self) -> None:
        if self._subscribed:
            return
        self._subscribed = True
        for agent in self._committee.ids:
            await self._bus.subscribe(f"ordered.{agent}", self._heard)

    def _heard(self, _subject: str, payload: bytes) -> None:
        if b"began" in payload[:16]:
            with suppress(Malformed):
                self.follow(decode(payload, Began))
            return
        try:
            notice = self._committee.read(payload)
            if not isinstance(notice, Ordered):
                return
            # Whoever tells what is known by now need not be checked.
            own = [
                counter
                for author, counter in notice.submissions
                if author == self._author and self._is_awaited(counter)
            ]
            if not own or not self._committee.signed(payload, notice):
                return
        except Refused:
            return
        for counter in own:
            waiting = self._under_way[counter]
            waiting.said[notice.replica] = notice.sequence_number
            # f + 1 agents that say the same include an honest one.
            agreeing = list(waiting.said.values()).count(notice.sequence_number)
            if agreeing >= self._committee.weak_quorum:
                waiting.number = notice.sequence_number
                waiting.done.set()
