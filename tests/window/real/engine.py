"""An engine for windows: a real hub in a thread of its own, with the court's law of signatures."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine import genesis as constitution
from engine.codec import NO_DIGEST, decode
from engine.genesis import Genesis, Member
from engine.paths import RunPaths
from engine.signing import Domain, Ed25519Signer, Ed25519Verifier
from engine.stream.hub import Hub, open_hub
from engine.stream.orders import OrderDesk
from engine.stream.runs import Place
from engine.stream.state import ScreenState
from engine.stream.wire import Command, Event, Lane, Reply
from engine.vocabulary import (
    AgentId,
    AuthorId,
    Operation,
    Role,
    Signed,
    Submission,
    TraceEvent,
)
from tests import story

if TYPE_CHECKING:
    from engine.stream.deploying import DeployOrder
    from engine.stream.drilling import DrillOrder

WITHIN_S = 10.0


class LiveEngine:
    """Publishes what a test tells it to, and takes what an operator signed."""

    def __init__(self, folder: Path) -> None:
        self.paths = RunPaths(folder / "run").make()
        self.key = Ed25519Signer.load_or_create(self.paths.operator_key)
        members = tuple(
            Member(AgentId(AuthorId(name)), Role(role), bytes([place]) * 32)
            for place, (name, role) in enumerate(story.AGENTS.items())
        )
        operators = {AuthorId("anna"): self.key.public_key}
        digests = (NO_DIGEST, NO_DIGEST, NO_DIGEST)
        genesis = Genesis("shop", b"n" * 32, 1, 5, 1, members, operators, b"a" * 32, b"", *digests)
        constitution.write(genesis, self.paths.genesis)
        self.place = Place(root=self.paths.root)
        self.commands: list[Operation] = []
        self.orders: list[DeployOrder | DrillOrder] = []
        self._desk = OrderDesk(genesis, Ed25519Verifier())
        self._loop = asyncio.new_event_loop()
        self._hub: Hub | None = None
        self._over = asyncio.Event()
        self._thread: threading.Thread | None = None

    async def _take(self, command: Command) -> Reply:
        now_ms = time.time_ns() // 1_000_000
        if command.about == "drill":
            self.orders.append(self._desk.take_drill(command.payload, now_ms))
            return Reply(command.id, accepted=True)
        if command.about == "deploy":
            self.orders.append(self._desk.take(command.payload, command.seen, now_ms))
            return Reply(command.id, accepted=True)
        signed = decode(command.payload, Signed)
        assert Ed25519Verifier().verify(
            self.key.public_key, Domain.SUBMISSION, signed.payload, signed.signature
        )
        self.commands += decode(signed.payload, Submission).operations
        return Reply(command.id, accepted=True)

    def start(self) -> None:
        """Serve, in a thread."""
        serving = threading.Event()

        async def serve() -> None:
            async with open_hub(self.paths, epoch=1, on_command=self._take) as hub:
                self._hub = hub
                serving.set()
                await self._over.wait()

        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(serve()), name="test engine"
        )
        self._thread.start()
        assert serving.wait(WITHIN_S)

    def stop(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(WITHIN_S)
        self._loop.close()

    def _within(self, deed: Callable[[Hub], None]) -> None:
        hub = self._hub
        assert hub is not None
        self._loop.call_soon_threadsafe(lambda: deed(hub))

    def publish(self, state: ScreenState) -> None:
        """Show ``state`` to all screens."""
        self._within(lambda hub: hub.publish(state))

    def trace(self, *events: TraceEvent) -> None:
        """Tell messages."""
        told = [Event(Lane.TRACE, trace=event) for event in events]
        self._within(lambda hub: hub.tell(told))
