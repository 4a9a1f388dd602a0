"""Takes a run from event to event: does what is due, writes down what came of it, goes on.

Every event is on disk before the next thing is done. After a crash the conductor folds the journal
and does what is due then.
"""

import getpass
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from engine.codec import Malformed
from infra.deploy.account_lock import AccountLock
from infra.deploy.cdk import CdkFailed
from infra.deploy.cloud import Cloud, CloudFailed
from infra.deploy.journal import Line, Progress, RunFolder, Shelf
from infra.deploy.local_lock import Holder, local_lock
from infra.deploy.machine import (
    AskApproval,
    Effect,
    Nothing,
    RunPreflight,
    begin,
    due,
    step,
)
from infra.deploy.plan import Plan, digest
from infra.deploy.run import UNTOUCHED, AnyEvent, Approved, Began, Broke, Kind, Phase, Run, Stopped
from infra.deploy.source import Source
from infra.deploy.steps import Steps
from infra.deploy.telling import turn_line
from infra.environments import Approval, Environment
from infra.target import banner

__all__ = ["Asker", "Conductor", "Desired", "who"]

DIGITS = 12
"""Of a plan's digest that an approval must name at least."""
_WORLD = (CdkFailed, Malformed, ClientError, BotoCoreError)


@dataclass(frozen=True)
class Desired:
    """What a person asked for."""

    kind: Kind
    approve: str = ""
    """The digest of the plan that he agrees to, or its first twelve digits."""
    typed_name: str = ""
    """The environment's name, as he typed it."""
    to: int = 0
    """The run to go back to; 0: the one that was good before what is deployed now."""


Asker = Callable[[Plan, str], Approved | Stopped | None]
"""Shows a plan and its digest to a person; what he says. None: nobody is there to ask."""


class Conductor:
    """Runs of one environment, from this machine, one at a time."""

    def __init__(
        self,
        environment: Environment,
        shelf: Shelf,
        cloud: Cloud,
        source: Source,
        steps: Callable[[Callable[[Progress], None]], Steps],
        tell: Callable[[str], None],
        ask: Asker,
    ) -> None:
        """``steps`` makes the hands, which tell their progress to what they are given."""
        self._place = environment
        self._shelf = shelf.make()
        self._cloud = cloud
        self._source = source
        self._steps = steps(self._append)
        self._tell = tell
        self._ask = ask
        self._desired = Desired(Kind.PLAN)
        self._held = ExitStack()
        self._account_lock: AccountLock | None = None
        self.folder = RunFolder(shelf.path)
        self.run = Run()

    def conduct(self, desired: Desired) -> Run:
        """Do what is desired, or go on with what was begun; the run, once it is over or waits.

        Raises:
            Held: somebody else deploys this environment.
            Malformed: a journal or an assembly cannot be read.
            OSError: the journal cannot be written; the run stands where its journal ends.
        """
        self._desired = desired
        holder = Holder(who(), os.getpid(), 0, _now_ms())
        with local_lock(self._shelf.lock, holder), self._held:
            if not self._takes_up():
                self._begin()
            try:
                self._go_on()
            except KeyboardInterrupt:
                if self.run.phase in UNTOUCHED and self.run.phase is not Phase.APPROVAL:
                    self._happened(Stopped("interrupted before anything was changed"))
                raise
        return self.run

    def _begin(self) -> None:
        self._lock_account()
        target = banner(self._place)
        good = self._steps.good.find(target, self._tell)
        if self._desired.kind is Kind.ROLLBACK:
            good = self._shelf.before(good, self._desired.to)
        folder = self._shelf.new(at_least=good + 1)
        returns = self._desired.kind is Kind.ROLLBACK and good
        approval = self._place.approval
        began = Began(
            number=folder.number,
            kind=self._desired.kind,
            environment=self._place.name,
            target=target,
            build=self._shelf.folder(good).run().build if returns else self._source.build,
            needs_approval=approval is not Approval.NONE,
            needs_name=approval is Approval.TYPED_NAME,
            bake_s=self._place.bake_s,
            good=good,
        )
        self.folder, self.run = folder, begin(began)
        self._append(began)
        self._tell(f"run {folder.number}: {desired_words(began)}")

    def _takes_up(self) -> bool:
        """Whether to go on with the newest run, which is not over; else it is closed."""
        folder = self._shelf.newest()
        if folder is None or not folder.events.exists():
            return False
        folder.mend()
        run = folder.run()
        if run.over:
            return False
        self.folder, self.run = folder, run
        desired = self._desired
        if run.phase is Phase.APPROVAL and desired.kind is Kind.APPLY and self._is_asked(run):
            self._tell(f"run {run.number}: its plan {run.plan[:DIGITS]} is approved")
            return True
        if run.phase in UNTOUCHED:
            self._happened(Stopped("a later run takes its place"))
            return False
        if desired.kind is Kind.DESTROY:
            self._happened(Stopped("everything is taken away"))
            return False
        if desired.kind is Kind.PLAN:
            raise Malformed(
                f"run {run.number} is unfinished, in {run.phase.value}: "
                f"main.py deploy apply {run.environment} goes on with it"
            )
        self._tell(f"run {run.number} was left in {run.phase.value}: going on with it")
        if desired.kind is Kind.ROLLBACK and run.phase in (Phase.APPLY, Phase.HEALTH, Phase.BAKE):
            self._happened(Broke("a person asked for the rollback"))
        return True

    # --- from event to event --------------------------------------------------------------------

    def _go_on(self) -> None:
        while not isinstance(effect := due(self.run), Nothing):
            if not isinstance(effect, RunPreflight):
                self._lock_account()
            event = self._done(effect)
            if event is None:
                return
            self._happened(event)

    def _done(self, effect: Effect) -> AnyEvent | None:
        """What came of ``effect``; None: it waits for a person."""
        if isinstance(effect, AskApproval):
            return self._approval()
        if self._account_lock is not None and self._account_lock.lost.is_set():
            return Broke("the account's lock was lost: somebody else may deploy")
        try:
            return self._steps.do(effect, self.run, self.folder)
        except CloudFailed as error:
            return Broke(str(error), self._remedy(error))
        except _WORLD as error:
            return Broke(str(error))

    def _remedy(self, error: CloudFailed) -> str:
        """How a person gets a stuck rollback on; empty where nothing is stuck."""
        if not error.given_up:
            return ""
        given_up = " ".join(f"--orphan {name}" for name in error.given_up)
        return (
            "put back what is missing and apply again, or give it up: "
            f"main.py deploy rollback {self._place.name} {given_up}"
        )

    def _happened(self, event: AnyEvent) -> None:
        """Let ``event`` happen: on disk first."""
        before = self.run
        after, _ = step(before, event)
        self._append(event)
        self.run = after
        if after.phase is not before.phase:
            self._tell(turn_line(before, after))

    def _append(self, what: AnyEvent | Progress) -> None:
        self.folder.append(Line(_now_ms(), os.getpid(), what))

    def _lock_account(self) -> None:
        """Hold the account's lock from now on; it has no place before the bootstrap."""
        good = self._steps.good
        if self._account_lock is not None or not (bucket := good.bucket):
            return
        holder = Holder(who(), os.getpid(), self.run.number, _now_ms())
        lock = AccountLock(self._cloud.client("s3"), bucket, f"{good.prefix}/lock.json", holder)
        self._account_lock = self._held.enter_context(lock.held())

    # --- approval -------------------------------------------------------------------------------

    def _approval(self) -> Approved | Stopped | Broke | None:
        plan = msgspec.json.decode(self.folder.plan.read_bytes(), type=Plan)
        if digest(plan) != self.run.plan:
            return Broke(f"{self.folder.plan} is not the plan of this run any more")
        desired = self._desired
        if desired.kind is Kind.PLAN:
            return None
        if not desired.approve:
            return self._ask(plan, self.run.plan)
        if not self._is_asked(self.run):
            return Stopped(
                f"the plan is {self.run.plan[:DIGITS]} now, not {desired.approve[:DIGITS]}: "
                "look at it again"
            )
        if self.run.needs_name and desired.typed_name != self._place.name:
            return Stopped(f"{self._place.name} is approved by its name too: --confirm NAME")
        return Approved(self.run.plan, who(), desired.typed_name)

    def _is_asked(self, run: Run) -> bool:
        asked = self._desired.approve
        return len(asked) >= DIGITS and run.plan.startswith(asked)


def who() -> str:
    """Whoever runs this, for people: ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def desired_words(began: Began) -> str:
    """What a run is about to do, and where."""
    return f"{began.kind.value} build {began.build} → {began.target}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
