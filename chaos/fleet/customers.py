"""Using the shop as a customer does: asks, believes what he is told, and asks again if unsure."""

import asyncio
import os
import random
import sys
from collections import deque
from pathlib import Path

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from chaos.fleet.calls import REQUEST_ID
from chaos.fleet.schedule import Visit
from chaos.fleet.shop.order import Order
from chaos.fleet.wiring import LOOPBACK, Wiring
from chaos.integrity import OrderNote

TIMEOUT_S = 3.0
MAX_CONNECTIONS = 128
SETTLE_EVERY_S = 0.5
SETTLE_AT_ONCE = 20
"""40 a second at most: a minute's worth of unsure orders is settled in a quarter of it."""
MAX_TRIES = 240
"""An order that could not be settled in so many tries is given up, and counted."""
MAX_UNSURE = 10_000


class _Told(msgspec.Struct):
    state: str = ""


_decoder = msgspec.json.Decoder(_Told)


class Customer:
    """One party that shops; what it was told is written down before it is believed."""

    def __init__(self, wiring: Wiring, notes: Path, seed: int) -> None:
        """Shop at the gateway, note orders in the file ``notes``."""
        self._base = f"http://{LOOPBACK}:{wiring.link('customers', 'gateway')}"
        self._chance = random.Random(f"request ids:{seed}")
        self._session = ClientSession(
            timeout=ClientTimeout(total=TIMEOUT_S),
            connector=TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=30),
        )
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._unsure: deque[tuple[Order, int]] = deque()
        self.given_up = 0

    @property
    def unsure(self) -> int:
        """Orders of which it does not know what became of them."""
        return len(self._unsure)

    async def visit(self, visit: Visit) -> bool:
        """Whether the shop did what it was asked for; an unsure order is settled later."""
        if visit.order is None:
            return await self._ask("GET", f"/browse/{visit.item}", None) == (200, "")
        self._note(visit.order, "asked")
        settled, good = await self._check_out(visit.order)
        if not settled:
            self._unsure.append((visit.order, 1))
            if len(self._unsure) > MAX_UNSURE:
                self._give_up(*self._unsure.popleft())
        return good

    async def settle(self) -> None:
        """Ask again about unsure orders, by the same key, for ever.

        One at a time while the shop fails, more and more while it answers: those who ask again
        must not keep it down.
        """
        at_once = 1
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            batch = [self._unsure.popleft() for _ in range(min(at_once, len(self._unsure)))]
            if not batch:
                continue
            answers = await asyncio.gather(*(self._check_out(order) for order, _ in batch))
            failed = 0
            for (order, tries), (settled, _) in zip(batch, answers, strict=True):
                if settled:
                    continue
                failed += 1
                if tries >= MAX_TRIES:
                    self._give_up(order, tries)
                else:
                    self._unsure.append((order, tries + 1))
            at_once = 1 if failed else min(2 * at_once, SETTLE_AT_ONCE)

    async def _check_out(self, order: Order) -> tuple[bool, bool]:
        """Whether the order's fate is known now, and whether it was confirmed."""
        status, state = await self._ask("POST", "/checkout", msgspec.json.encode(order))
        if status == 200 and state == "confirmed":
            self._note(order, "acknowledged")
            return True, True
        if status == 409:
            self._note(order, "declined")
            return True, False
        return False, False

    async def _ask(self, method: str, target: str, body: bytes | None) -> tuple[int, str]:
        """Status and state of the answer; status 0 when there was none."""
        headers = {REQUEST_ID: f"{self._chance.getrandbits(64):016x}"}
        url = self._base + target
        try:
            async with self._session.request(method, url, data=body, headers=headers) as answer:
                content = await answer.read()
                return answer.status, _decoder.decode(content).state
        except (ClientError, OSError, msgspec.DecodeError):
            return 0, ""

    def _give_up(self, order: Order, _: int) -> None:
        self.given_up += 1
        self._note(order, "given-up")

    def _note(self, order: Order, told: str) -> None:
        # In the operating system's hands, as the shop's own commits are: a killed process loses
        # nothing of it.
        os.write(self._notes, msgspec.json.encode(OrderNote(order.order, told)) + b"\n")

    async def close(self) -> None:
        """Stop shopping."""
        await self._session.close()
        os.close(self._notes)


class Presence:
    """Whether customers are to come, as the lines on standard input say; over when it closes."""

    def __init__(self) -> None:
        """Nobody comes until told to."""
        self.here = False
        self.over = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._readable)

    def _readable(self) -> None:
        data = os.read(sys.stdin.fileno(), 4_096)
        if not data:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.over.set()
        for word in data.split():
            self.here = word == b"come"
