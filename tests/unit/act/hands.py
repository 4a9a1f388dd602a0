"""A small orchestrator in memory, and the ways in which it, the disk and the actuator can fail."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.act.actuator import Actuator
from engine.act.journal import Journal
from engine.act.orders import Order
from engine.codec import encode
from engine.policy import DRILL_RULES, Rules
from engine.ports import ActionKey, Report
from engine.vocabulary import (
    Acted,
    Action,
    Certificate,
    Deploy,
    Generation,
    Operation,
    OutcomeKind,
    Plan,
    RestartService,
    ServiceName,
    Undone,
)
from tests.court import MANIFEST, NOT_AFTER_MS, VERIFIER, Court

NOW_MS = NOT_AFTER_MS - 30_000
SERVICES = tuple(service.name for service in MANIFEST.service)
FIRST = Generation(4711, 1_000, "1.0.0")


class Killed(BaseException):
    """The actuator's process ends here, as with SIGKILL: nothing is caught or cleaned up."""


@dataclass
class Wall:
    """A clock that stands still until it is moved."""

    now_ms: int = NOW_MS

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic_ns(self) -> int:
        return self.now_ms * 1_000_000


@dataclass
class Shop:
    """An executor: services with generations, changed only if the precondition holds."""

    running: dict[ServiceName, Generation]
    performed: dict[ActionKey, Report] = field(default_factory=dict)
    effects: list[ActionKey] = field(default_factory=list)
    """Each time that the world really changed."""
    unreachable: int = 0
    """How many of the next questions and requests get no answer."""
    loses_answer: bool = False
    """The next request is carried out, and its answer is lost."""
    kill_before: bool = False
    kill_after: bool = False

    async def perform(self, key: ActionKey, action: Action) -> Report:
        if self.kill_before:
            self.kill_before = False
            raise Killed
        self._answer()
        if key not in self.performed:
            self.performed[key] = self._change(key, action)
        if self.kill_after:
            self.kill_after = False
            raise Killed
        if self.loses_answer:
            self.loses_answer = False
            raise ConnectionResetError("the answer is lost")
        return self.performed[key]

    async def observe(self, key: ActionKey, action: Action) -> Report:
        self._answer()
        return self.performed.get(key, Report(OutcomeKind.NOT_DONE, self.running[action.service]))

    def _answer(self) -> None:
        if self.unreachable:
            self.unreachable -= 1
            raise ConnectionRefusedError("nobody listens")

    def _change(self, key: ActionKey, action: Action) -> Report:
        now = self.running[action.service]
        if not isinstance(action, Deploy) and action.generation != now:
            return Report(OutcomeKind.NOT_DONE, now, "another run is live")
        release = now.release if isinstance(action, RestartService) else action.to_release
        self.effects.append(key)
        after = Generation(now.pid + 1, now.started_ms + 1, release)
        self.running[action.service] = after
        return Report(OutcomeKind.DONE, after)


@dataclass
class Council:
    """What the actuator reports to: the log, which it may not reach."""

    said: list[Operation] = field(default_factory=list)
    kill_before: bool = False
    kill_after: bool = False

    async def submit(self, operations: Sequence[Operation]) -> int:
        if self.kill_before:
            self.kill_before = False
            raise Killed
        self.said += operations
        if self.kill_after:
            self.kill_after = False
            raise Killed
        return len(self.said)

    @property
    def outcomes(self) -> list[tuple[str, int, OutcomeKind]]:
        """What was reported, in short."""
        return [
            (type(operation).__name__, operation.step, operation.outcome)
            for operation in self.said
            if isinstance(operation, Acted | Undone)
        ]


def certify(court: Court, plan: Plan) -> Certificate:
    """The certificate of a plan that the court decides now."""
    if not court.council.open_incidents:
        court.open()
    court.decide(plan)
    court.certify()
    certificate = court.attempt.certificate
    assert certificate is not None
    return certificate


def undo_order(court: Court, certificate: Certificate) -> Order:
    """The order to undo, as agents send it once the undo is fired."""
    return Order(certificate, tuple(court.attempt.undo_orders.values()))


@dataclass
class Machine:
    """An actuator that can be killed and started again on the same journal."""

    path: Path
    court: Court = field(default_factory=Court)
    rules: Rules = DRILL_RULES
    clock: Wall = field(default_factory=Wall)
    council: Council = field(default_factory=Council)
    shop: Shop = field(default_factory=lambda: Shop(dict.fromkeys(SERVICES, FIRST)))

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin anew with what is on the disk."""
        self.journal = Journal(self.path)
        self.actuator = Actuator(
            self.court.genesis,
            self.rules,
            MANIFEST,
            VERIFIER,
            self.journal,
            self.shop,
            self.council,
            self.clock,
            retry_s=0,
        )

    async def obey(self, order: Order) -> None:
        """Send it an order; if that kills it, start it again and let it settle."""
        try:
            await self.actuator.obey(encode(order))
        except Killed:
            await self.restart()

    async def restart(self) -> None:
        """Kill it, start it again and let it settle."""
        # The file is not closed: what was not committed must not be there.
        self.start()
        await self.actuator.settle()
