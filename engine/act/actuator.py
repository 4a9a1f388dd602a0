"""The actuator: carries out what a certificate allows, once, and says what came of it.

Intent is on disk before the effect and the effect is followed by an observation. After a crash an
intended step is done, not done or unknown: done is reported, not done may be carried out while the
certificate lasts, and unknown goes back to the council. Nothing is repeated blindly.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from engine.act.journal import Journal, JournalEntry, Progress
from engine.act.orders import (
    Conditions,
    Order,
    circumstance_objection,
    operator_orders,
    proof_objection,
    steps_of,
)
from engine.charter import rules_of
from engine.clock import Clock
from engine.codec import Malformed, decode, digest_of
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
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        """Take everything that it needs; it opens nothing itself."""
        self._constitutions: list[Genesis] = [genesis]
        self._rules = rules
        self._manifest = manifest
        self._verifier = verifier
        self._journal = journal
        self._executor = executor
        self._reporter = reporter
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._retry_s = retry_s
        self._last_refusal = ""

    @property
    def _genesis(self) -> Genesis:
        """The newest constitution that was proved to this actuator."""
        return self._constitutions[-1]

    def begin(self, charter: Genesis) -> None:
        """Obey in the epoch of ``charter`` from now on; a quorum of the last one has proved it."""
        assert charter.epoch == len(self._constitutions), "charters come one after another"
        log.warning("epoch_begins", epoch=charter.epoch)
        self._constitutions.append(charter)
        self._rules = rules_of(charter, self._rules)

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
        objection = proof_objection(order, self._constitutions, self._manifest, self._verifier)
        if objection:
            self._refuse("order_refused", objection)
            return
        for key, action in steps:
            entry = self._journal.entry(key)
            report = await (self._resume(entry) if entry else self._begin(key, action, order))
            if report is None or report.outcome is not OutcomeKind.DONE:
                return

    async def _begin(self, key: ActionKey, action: Action, order: Order) -> Report | None:
        """Carry out a step for the first time; None when something stands against it now."""
        conditions = self._conditions(order)
        objection = circumstance_objection(order, self._rules, conditions)
        if objection:
            self._refuse("order_not_now", objection)
            return None
        self._journal.intend(key, order, conditions.now_ms, self._clock.monotonic_ns())
        return await self._finish(key, await self._perform(key, action))

    async def _resume(self, entry: JournalEntry) -> Report:
        """Go on with a step that was begun before."""
        if entry.report is not None:
            if entry.progress is Progress.FINISHED:
                await self._report(entry.key, entry.report)
            return entry.report
        action = dict(steps_of(entry.order))[entry.key]
        report = await self._observe(entry.key, action)
        if report.outcome is OutcomeKind.NOT_DONE and self._may_still(entry):
            report = await self._perform(entry.key, action)
        return await self._finish(entry.key, report)

    def _may_still(self, entry: JournalEntry) -> bool:
        """Whether a step that was begun, and is known not to be done, may be done now."""
        # It was counted against the rate when it was intended.
        conditions = msgspec.structs.replace(self._conditions(entry.order), recent_actions=0)
        return not circumstance_objection(entry.order, self._rules, conditions)

    def _conditions(self, order: Order) -> Conditions:
        by_operator = bool(order.undo_orders) and operator_orders(
            order, self._constitutions, self._verifier
        )
        return self._journal.conditions(order, self._clock.unix_ms(), by_operator=by_operator)

    def _refuse(self, event: str, why: str) -> None:
        """Say it once: agents send an order again and again until it is reported on."""
        if why != self._last_refusal:
            self._last_refusal = why
            log.warning(event, why=why)

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
                await asyncio.sleep(self._retry_s)
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
            case (Frozen(),):
                word = digest_of("freeze", signed.payload)
                if not self._journal.freeze(submission.counter, word):
                    return "refused: obeyed and thawed before; freeze anew"
            case (Thawed(),):
                # The log keeps every thaw: one sent again by somebody else must not take.
                if submission.epoch != self._genesis.epoch:
                    return "refused: of another epoch"
                if not self._journal.thaw(submission.counter):
                    return "refused: older than the last word"
            case _:
                return "refused: neither a freeze nor a thaw"
        answer = "frozen" if self._journal.frozen else "thawed"
        log.warning(answer, by=submission.author)
        return answer
