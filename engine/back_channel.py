"""The one way back: what operators command, checked, and handed to the log, the deployer or the drills.

The engine cannot command anything itself: it has no operator's key, and passes on only what carries
a signature of one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from engine.act import door
from engine.clock import Clock
from engine.codec import Malformed, decode
from engine.ledger.replay import Replay
from engine.paths import RunPaths
from engine.ports import Bus
from engine.signing import Domain, Verifier
from engine.stream import deploying, drilling
from engine.stream.deploying import Deployer
from engine.stream.drilling import Drills
from engine.stream.orders import OrderDesk
from engine.stream.wire import Command, Reply
from engine.vocabulary import Approved, Frozen, Refused, Signed, Submission, Thawed, UndoRequested

MAX_RELAYS = 20
"""Commands of operators on their way into the log at once."""
RELAY_TRIES = 20
RELAY_EVERY_S = 0.5

Knock = Callable[[bytes], Awaitable[str]]
"""Says an operator's signed word to the actuator and returns its answer."""

log = structlog.get_logger()


class BackChannel:
    """Takes the commands of screens."""

    def __init__(
        self,
        paths: RunPaths,
        replay: Replay,
        verifier: Verifier,
        bus: Bus,
        clock: Clock,
        deployer: Deployer | None,
        drills: Drills | None,
        knock: Knock | None = None,
    ) -> None:
        """Take commands for the cluster that ``replay`` follows; ``knock`` is how the actuator is asked."""
        self._knock = knock or partial(door.knock, paths.freeze_socket)
        self._replay = replay
        self._verifier = verifier
        self._bus = bus
        self._clock = clock
        self._deployer = deployer
        self._drills = drills
        self._orders = OrderDesk(replay.council.genesis, verifier)
        self._relays: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Give up what is still on its way."""
        for relay in self._relays:
            relay.cancel()

    async def take(self, command: Command) -> Reply:
        """Pass an operator's signed submission on: to the log, and a freeze to the actuator too."""
        if command.about == deploying.ABOUT:
            return await self._deploy(command)
        if command.about == drilling.ABOUT:
            return await self._drill(command)
        try:
            signed = decode(command.payload, Signed)
            submission = decode(signed.payload, Submission)
        except Malformed as error:
            return Reply(command.id, accepted=False, reason=str(error))
        # The agents check it too; but who has a token and no key shall not fill the way there.
        key = self._replay.council.genesis.operators.get(submission.author)
        if key is None or not self._verifier.verify(
            key, Domain.SUBMISSION, signed.payload, signed.signature
        ):
            return Reply(command.id, accepted=False, reason="not signed by an operator")
        if not _saw_what_it_names(command, submission):
            return Reply(command.id, accepted=False, reason="it names another plan than was shown")
        if any(isinstance(operation, Frozen | Thawed) for operation in submission.operations):
            answer = await self._ask_actuator(submission, command.payload)
            if answer.startswith("refused"):
                return Reply(command.id, accepted=False, reason=answer)
        why = self.bring_in(submission, command.payload)
        return Reply(command.id, accepted=not why, reason=why)

    async def _ask_actuator(self, submission: Submission, payload: bytes) -> str:
        """What the actuator answers to a freeze or thaw.

        A freeze that it cannot hear stops the agents all the same, so that they certify nothing new.
        """
        try:
            return await self._knock(payload)
        except (OSError, TimeoutError):
            stops = any(isinstance(operation, Frozen) for operation in submission.operations)
            if stops and not self.bring_in(submission, payload):
                return "refused: the actuator does not answer; the agents are told to stop"
            return "refused: the actuator does not answer"

    def bring_in(self, submission: Submission, payload: bytes) -> str:
        """Have an operator's signed submission ordered; why not, empty when it is on its way."""
        epoch = self._replay.council.genesis.epoch
        if submission.epoch != epoch:
            return f"signed for epoch {submission.epoch}, it is epoch {epoch} now: order it again"
        if len(self._relays) >= MAX_RELAYS:
            return "too many commands are on their way"
        task = asyncio.create_task(self._relay(submission, payload))
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)
        return ""

    async def _deploy(self, command: Command) -> Reply:
        """Hand an operator's signed order to the deployer."""
        if self._deployer is None:
            return Reply(command.id, accepted=False, reason="this engine cannot deploy")
        try:
            order = self._orders.take(command.payload, command.seen, self._clock.unix_ms())
        except Malformed as error:
            return Reply(command.id, accepted=False, reason=str(error))
        reason = await self._deployer.order(order)
        return Reply(command.id, accepted=not reason, reason=reason)

    async def _drill(self, command: Command) -> Reply:
        """Hand an operator's signed order to the drills: never to the log, which the agents read."""
        if self._drills is None:
            return Reply(command.id, accepted=False, reason="this engine knows of no drills")
        try:
            order = self._orders.take_drill(command.payload, self._clock.unix_ms())
        except Malformed as error:
            return Reply(command.id, accepted=False, reason=str(error))
        reason = await self._drills.order(order)
        return Reply(command.id, accepted=not reason, reason=reason)

    async def _relay(self, submission: Submission, payload: bytes) -> None:
        for _ in range(RELAY_TRIES):
            if self._replay.holds(submission.author, submission.counter):
                return
            await self._bus.publish(f"submit.{submission.author}", payload)
            await asyncio.sleep(RELAY_EVERY_S)
        log.error("command_not_ordered", author=submission.author, counter=submission.counter)


def _saw_what_it_names(command: Command, submission: Submission) -> bool:
    """Whether a command about a plan says that exactly this plan was before the operator's eyes."""
    plans = {
        operation.plan.hex()
        for operation in submission.operations
        if isinstance(operation, Approved | Refused | UndoRequested)
    }
    return not plans or plans == {command.seen}
