"""Serves all clients, class by class: each due frame is made once, and nobody waits for another."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import msgspec

from engine.stream.client import Client
from engine.stream.frames import status_frame
from engine.stream.pace import Verdict
from engine.stream.publication import HEARTBEAT_S, NOWHERE, Cursor, Publication
from engine.stream.sending import OneByOne, Sending, sending
from engine.stream.uring import AT_ONCE, Uring
from engine.stream.wire import CLASSES, Status

TURN_S = 0.002
"""After so much processor time the loop gets its turn: the engine that shares it waits no longer."""
ALIKE = 8
"""Groups of a hundred clients whose frames are sent together: by form, lanes and where they stand."""
LOOK_S = 0.5
"""How often a client's pace is looked at while all goes well."""
AWAY_S = 3.0
"""When so much lies between two looks for who is due, it was us who could not hear anybody."""
_TRY_AGAIN_LATER = 1013
"""Try again later (RFC 6455 registry)."""


class Counters(msgspec.Struct):
    """What the hub has done since it started."""

    sent: int = 0
    skipped: int = 0
    """Updates not sent to a client because it had not taken the one before."""
    snapshots: int = 0
    coalesced: int = 0
    """Ticks of a class that were left out because serving it took more than half of its time."""
    demoted: int = 0
    evicted: int = 0
    malformed: int = 0
    unauthorised: int = 0
    refused: int = 0
    """Connections turned away for their host, origin or number."""
    commands: int = 0
    flooded: int = 0
    """Messages and commands over what one client may send."""


class FanOut:
    """The clients by class, and the pump that serves them."""

    def __init__(self, publication: Publication, counters: Counters) -> None:
        self._publication = publication
        self._counters = counters
        self._classes: dict[int, dict[Client, None]] = {hz: {} for hz in CLASSES}
        self._due_s: dict[int, float] = dict.fromkeys(CLASSES, 0.0)
        self._looked_s: dict[int, float] = dict.fromkeys(CLASSES, 0.0)
        self._wake = asyncio.Event()
        self._lags: deque[float] = deque(maxlen=512)
        self._sending: Sending = OneByOne()
        self.pass_us = 0.0
        """Microseconds a client that the last pass took."""

    def __len__(self) -> int:
        return sum(map(len, self._classes.values()))

    @property
    def lag_p99_s(self) -> float:
        """How late the event loop was at worst in 99 of the last 100 ticks."""
        lags = sorted(self._lags)
        return lags[int(len(lags) * 0.99)] if lags else 0.0

    @property
    def by_uring(self) -> bool:
        """Whether one system call serves many, which not every kernel allows."""
        return isinstance(self._sending, Uring)

    @property
    def clients(self) -> list[Client]:
        """All of them."""
        return [client for members in self._classes.values() for client in members]

    @property
    def lag_ms(self) -> int:
        """By how much the client that lags most was behind when it last said what it shows."""
        return max((c.ack.lag_ms for c in self.clients if c.ack is not None), default=0)

    def wake(self) -> None:
        """There is something new, or somebody to catch up."""
        self._wake.set()

    def join(self, client: Client) -> None:
        """Serve ``client`` from now on, beginning at once."""
        self._classes[client.pace.hz][client] = None
        new = self._publication.commit(time.monotonic(), time.monotonic_ns())
        if client.drained:
            self._send(client)
        # A crowd that comes at once shall not have everybody looked at for each one of it.
        if new or not self._publication.is_current(client.cursor, client.lanes):
            self.wake()

    def catch_up(self, client: Client) -> None:
        """Serve at once a client that updates were kept from, if it can take one now."""
        if client.skipped and client.drained:
            self._serve(client, time.monotonic())

    def leave(self, client: Client) -> None:
        """Serve ``client`` no more."""
        for members in self._classes.values():
            members.pop(client, None)

    def abort_stalled(self) -> None:
        """Cut off who would keep a server from closing."""
        for members in self._classes.values():
            for client in members:
                if client.pending():
                    client.peer.transport.abort()

    # --- the pump ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve whoever is due, whenever there is something new, until cancelled."""
        with sending() as self._sending:
            await self._pump()

    async def _pump(self) -> None:
        before = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            inhabited = [hz for hz, members in self._classes.items() if members]
            if not inhabited:
                continue
            await self._sleep_until(min(self._due_s[hz] for hz in inhabited))
            now = time.monotonic()
            if now - before > AWAY_S:
                # Stopped, or the machine was; what clients have said meanwhile is still unread.
                for client in self.clients:
                    client.pace.begin_anew(now)
            before = now
            self._publication.commit(now, time.monotonic_ns())
            late = False
            for hz in inhabited:
                if self._due_s[hz] <= now + 0.001:
                    late |= await self._serve_class(hz, now)
                else:
                    late = True
            if late:
                self.wake()

    async def _sleep_until(self, due_s: float) -> None:
        delay = due_s - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
            self._lags.append(max(0.0, time.monotonic() - due_s))

    async def _serve_class(self, hz: int, now: float) -> bool:
        """One tick of one class; whether somebody in it has still to catch up."""
        members = list(self._classes[hz])
        look = now - self._looked_s[hz] > LOOK_S
        if look:
            self._looked_s[hz] = now
        left: list[Client] = []
        late: list[Client] = []

        def write_shared(part: list[Client]) -> None:
            left.extend(self._write_shared(part))
            if look:
                self._judge(part, now)

        def serve(part: list[Client]) -> None:
            late.extend(client for client in part if self._serve(client, now))

        busy_s = await _in_turns(members, write_shared)
        # Who keeps up does not wait for who does not.
        busy_s += await _in_turns(left, serve)
        self.pass_us = busy_s / len(members) * 1e6 if members else 0.0
        period = 1 / hz
        pause = max(period, 2 * busy_s)
        self._counters.coalesced += int(pause / period) - 1
        # From when it was due, not from now: the rate shall be what was asked for.
        self._due_s[hz] = max(self._due_s[hz] + pause, now + pause / 2)
        return bool(late)

    def _write_shared(self, members: list[Client]) -> list[Client]:
        """Send the frames that many of ``members`` wait for; who is left must be looked at."""
        left = members
        for _ in range(ALIKE):
            first = next((client for client in left if client.quiet), None)
            if first is None:
                break
            left = self._write_alike(first, left)
        return left

    def _write_alike(self, first: Client, members: list[Client]) -> list[Client]:
        """Send what ``first`` waits for to all that wait for the same; who of ``members`` is left.

        Nearly every client goes this way at every tick, so it asks as little as it may: that it
        is quiet, and stands where the first one stands.
        """
        base = first.cursor
        ready = [client for client in members if client.quiet and client.cursor is base]
        left: list[Client] = []
        if len(ready) < len(members):
            left = [client for client in members if not (client.quiet and client.cursor is base)]
        if self._publication.is_current(base, first.lanes):
            return left
        frame, after = self._publication.bundle(first.form, first.lanes, base)
        taken = self._sending.send([client.descriptor for client in ready], frame)
        for client in ready:
            client.cursor = after
        if taken.count(len(frame)) < len(ready):
            left += self._not_served(ready, taken, frame, base)
        self._counters.sent += len(members) - len(left)
        return left

    @staticmethod
    def _not_served(
        clients: list[Client], taken: list[int], frame: bytes, base: Cursor
    ) -> list[Client]:
        """Those that took nothing and stay at ``base``; of who took a part, the rest is kept."""
        left = []
        for client, count in zip(clients, taken, strict=True):
            if count < len(frame):
                client.quiet = False
                if count > 0:
                    client.peer.write(frame[count:])
                else:
                    # Full, or gone; the long way finds out which.
                    client.cursor = base
                    left.append(client)
        return left

    def _judge(self, members: list[Client], now: float) -> None:
        """Look at the pace of those that have taken everything so far."""
        for client in members:
            if client.quiet:
                verdict = client.pace.drained(now)
                if verdict is not Verdict.KEEP:
                    self._reclass(client, verdict)

    def _serve(self, client: Client, now: float) -> bool:
        """Bring one client up to date if it is ready for that; whether it stays behind."""
        publication = self._publication
        if client.drained:
            verdict = client.pace.drained(now)
            if verdict is not Verdict.KEEP:
                self._reclass(client, verdict)
            self._send(client)
            return not publication.is_current(client.cursor, client.lanes)
        if client.gone:
            return False
        if client.cursor.seq != publication.current.seq or client.skipped:
            client.skipped += 1
            self._counters.skipped += 1
        verdict = client.pace.stalled(now)
        if verdict is Verdict.EVICT:
            self._evict(client)
        elif verdict is not Verdict.KEEP:
            self._reclass(client, verdict)
        return True

    def _send(self, client: Client) -> None:
        if self._publication.is_current(client.cursor, client.lanes) and not client.skipped:
            return
        if client.skipped or client.cursor.seq == NOWHERE:
            self._counters.snapshots += 1
        frame, client.cursor = self._publication.bundle(
            client.form, client.lanes, client.cursor, client.skipped
        )
        client.skipped = 0
        if client.status is not None:
            epoch = self._publication.current.epoch
            frame = status_frame(client.form, epoch, client.status, time.monotonic_ns()) + frame
            client.status = None
        client.write(frame)
        self._counters.sent += 1

    def _reclass(self, client: Client, verdict: Verdict) -> None:
        self.leave(client)
        self._classes[client.pace.hz][client] = None
        demoted = verdict is Verdict.DEMOTED
        self._counters.demoted += demoted
        client.quiet = False
        client.status = Status(client.pace.hz, "too slow" if demoted else "it keeps up again")

    def _evict(self, client: Client) -> None:
        self._counters.evicted += 1
        self.leave(client)
        client.peer.close(_TRY_AGAIN_LATER, "too slow")


async def _in_turns(clients: list[Client], serve: Callable[[list[Client]], None]) -> float:
    """Have ``serve`` called for part after part of ``clients``; what that took, in seconds.

    Processor time, and only of this: that the machine or the loop has other things to do is no
    reason to serve ours less often.
    """
    busy_s = turn_s = 0.0
    for start in range(0, len(clients), AT_ONCE):
        if turn_s > TURN_S:
            turn_s = 0.0
            await asyncio.sleep(0)
        began_s = time.thread_time()
        serve(clients[start : start + AT_ONCE])
        took_s = time.thread_time() - began_s
        busy_s, turn_s = busy_s + took_s, turn_s + took_s
    return busy_s
