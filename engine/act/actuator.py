"""The actuator: carries out what a certificate allows, once, and says what came of it.

Intent is on disk before the effect and the effect is followed by an observation. After a crash an
intended step is done, not done or unknown: done is reported, not done may be carried out while the
certificate lasts, and unknown goes back to the council. Nothing is repeated blindly.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from engine.act.journal import Journal, JournalEntry, Progress
from engine.act.orders import (
    Conditions,
    Order,
    circumstance_objection,
    proof_objection,
    steps_of,
)
from engine.clock import Clock
from engine.codec import Malformed, decode
from engine.genesis import Genesis
from engine.policy import Rules
from engine.ports import ActionKey, Executor, Report
from engine.signing import Domain, Verifier
from engine.topology import Manifest
from engine.vocabulary import (
    Acted,
    Action,
    Digest,
    Frozen,
    Operation,
    OutcomeKind,
    Signed,
    Submission,
    Thawed,
    Undone,
)

TEN_MINUTES_MS = 600_000
RETRY_S = 0.5
"""Between two questions to an executor that cannot be reached."""
OBSERVATION_TRIES = 20

log = structlog.get_logger()


class Reporter(Protocol):
    """Gets operations of the actuator ordered."""

    async def submit(self, operations: Sequence[Operation]) -> int:
        """Return the sequence number under which ``operations`` were ordered."""
        ...


class Actuator:
    """The only process that changes anything."""

    def __init__(
        self,
        genesis: Genesis,
        rules: Rules,
        manifest: Manifest,
        verifier: Verifier,
        journal: Journal,
        executor: Executor,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        """Take everything that it needs; it opens nothing itself."""
        self._genesis = genesis
        self._rules = rules
        self._manifest = manifest
        self._verifier = verifier
        self._journal = journal
        self._executor = executor
        self._reporter = reporter
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._refused: set[bytes] = set()

    async def settle(self) -> None:
        """Finish what a crash interrupted; called once, before any order is taken."""
        async with self._one_at_a_time:
            for entry in self._journal.unsettled():
                await self._resume(entry)

    async def obey(self, raw: bytes) -> None:
        """Carry out one encoded ``Order`` if it is proven and nothing stands against it."""
        try:
            order = decode(raw, Order)
        except Malformed as error:
            log.warning("order_malformed", why=str(error))
            return
        async with self._one_at_a_time:
            await self._obey(order)

    async def _obey(self, order: Order) -> None:
        steps = steps_of(order)
        entries = [self._journal.entry(key) for key, _ in steps]
        if all(entry is not None and entry.progress is Progress.REPORTED for entry in entries):
            return
        objection = proof_objection(order, self._genesis, self._manifest, self._verifier)
        if objection:
            log.warning("order_refused", why=objection)
            return
        for key, action in steps:
            entry = self._journal.entry(key)
            report = await self._step(key, action, order, entry)
            if report is None or report.outcome is not OutcomeKind.DONE:
                return

    async def _step(
        self, key: ActionKey, action: Action, order: Order, entry: JournalEntry | None
    ) -> Report | None:
        if entry is not None:
            return await self._resume(entry)
        now_ms = self._clock.unix_ms()
        conditions = Conditions(
            now_ms, self._journal.frozen, self._journal.intended_since(now_ms - TEN_MINUTES_MS)
        )
        objection = circumstance_objection(order, self._rules, conditions)
        if objection:
            log.warning("order_not_now", why=objection, step=key.step)
            return None
        self._journal.intend(key, order, now_ms, self._clock.monotonic_ns())
        return await self._finish(key, await self._perform(key, action))

    async def _resume(self, entry: JournalEntry) -> Report | None:
        """Go on with a step that was begun before."""
        if entry.report is not None:
            if entry.progress is Progress.FINISHED:
                await self._report(entry.key, entry.report)
            return entry.report
        action = dict(steps_of(entry.order))[entry.key]
        report = await self._observe(entry.key, action)
        now_ms = self._clock.unix_ms()
        conditions = Conditions(now_ms, self._journal.frozen, 0)
        if report.outcome is OutcomeKind.NOT_DONE and not circumstance_objection(
            entry.order, self._rules, conditions
        ):
            report = await self._perform(entry.key, action)
        return await self._finish(entry.key, report)

    async def _perform(self, key: ActionKey, action: Action) -> Report:
        log.info("acting", certificate=key.certificate.hex()[:12], step=key.step, undo=key.undo)
        try:
            return await self._executor.perform(key, action)
        except OSError as error:
            log.warning("executor_unreachable", why=str(error))
            return await self._observe(key, action)

    async def _observe(self, key: ActionKey, action: Action) -> Report:
        for _ in range(OBSERVATION_TRIES):
            try:
                return await self._executor.observe(key, action)
            except OSError as error:
                log.warning("executor_unreachable", why=str(error))
                await asyncio.sleep(RETRY_S)
        return Report(OutcomeKind.UNKNOWN, reason="the executor cannot be reached")

    async def _finish(self, key: ActionKey, report: Report) -> Report:
        self._journal.finish(key, report, self._clock.monotonic_ns())
        log.info("acted", step=key.step, outcome=str(report.outcome), why=report.reason)
        await self._report(key, report)
        return report

    async def _report(self, key: ActionKey, report: Report) -> None:
        certificate = Digest(key.certificate)
        operation: Operation
        if key.undo:
            operation = Undone(certificate, key.step, report.outcome)
        else:
            operation = Acted(certificate, key.step, report.outcome, report.generation)
        await self._reporter.submit([operation])
        self._journal.reported(key)

    # --- freeze: one operator's word is enough, and no quorum is asked ----------------------------

    def freeze_or_thaw(self, raw: bytes) -> str:
        """Obey an operator's signed ``Frozen`` or ``Thawed``.

        Returns:
            ``frozen`` or ``thawed``, or ``refused: ...`` with the reason.
        """
        try:
            signed = decode(raw, Signed)
            submission = decode(signed.payload, Submission)
        except Malformed as error:
            return f"refused: {error}"
        key = self._genesis.operators.get(submission.author)
        if key is None or submission.cluster != self._genesis.cluster:
            return "refused: not signed by an operator of this cluster"
        if not self._verifier.verify(key, Domain.SUBMISSION, signed.payload, signed.signature):
            return "refused: the signature does not verify"
        match submission.operations:
            case (Frozen() | Thawed() as word,):
                frozen = isinstance(word, Frozen)
            case _:
                return "refused: neither a freeze nor a thaw"
        # A freeze always takes; an old thaw, sent again by somebody who kept it, must not.
        if not self._journal.set_frozen(frozen, submission.counter):
            return "refused: older than the last word"
        log.warning("frozen" if frozen else "thawed", by=submission.author)
        return "frozen" if frozen else "thawed"
