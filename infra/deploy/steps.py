"""The steps of a run, each done for real: what comes of it is an event for the machine.

Every step may be done again: it looks at what is there before it changes anything.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from infra.deploy.assembly import digest_of_folder, stacks_of
from infra.deploy.cdk import Cdk
from infra.deploy.cloud import POLL_S, SETTLE_S, Cloud
from infra.deploy.follow import Follower
from infra.deploy.good import Good
from infra.deploy.journal import Progress, RunFolder, Shelf, write_whole
from infra.deploy.machine import (
    ApplyStacks,
    CheckHealth,
    DestroyStacks,
    Effect,
    MakePlan,
    ReturnToGood,
    RunPreflight,
    Synthesise,
    WatchAlarms,
)
from infra.deploy.plan import Level, Plan, digest
from infra.deploy.planning import change_set_name, names_of, read_plan
from infra.deploy.preflight import Ground, bootstrap_version, look
from infra.deploy.run import (
    AnyEvent,
    Baked,
    Broke,
    Checked,
    Finding,
    Kind,
    Phase,
    Planned,
    Preflighted,
    Run,
    Succeeded,
    Synthesised,
    Verdict,
)
from infra.deploy.source import Source
from infra.deploy.stacks import Judgement, Way, judge, startable, way_out
from infra.deploy.telling import finding_line
from infra.environments import Environment
from infra.names import PREFIX

__all__ = ["Script", "Steps"]

ALARMS_EVERY_S = 2.0
MOST_STACKS = 16


@dataclass(frozen=True)
class Script:
    """What is deployed, and how one asks whether it works."""

    application: Callable[[str, str], Sequence[str]]
    """For an environment and a build: the program that writes the assembly."""
    health: Callable[[Cloud, Path, str], tuple[Finding, ...]]
    """For the account, the assembly and the build that should answer: what the checks found."""
    orphans: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By stack, resources that a person gives up so that a rollback can go on."""
    assembly: Path | None = None
    """Made elsewhere; without it, it is synthesised."""


class Steps:
    """Does one step of one run."""

    def __init__(
        self,
        environment: Environment,
        shelf: Shelf,
        cloud: Cloud,
        cdk: Callable[[Path], Cdk],
        script: Script,
        source: Source,
        tell: Callable[[str], None],
        progressed: Callable[[Progress], None],
    ) -> None:
        """``cdk`` makes a CDK that writes to a log."""
        self._place = environment
        self._shelf = shelf
        self._cloud = cloud
        self._make_cdk = cdk
        self._script = script
        self._source = source
        self._tell = tell
        self._progressed = progressed
        self.good = Good(cloud, shelf)

    def do(self, effect: Effect, run: Run, folder: RunFolder) -> AnyEvent:
        """What came of ``effect``.

        Raises:
            CdkFailed: the CDK could not do it.
            CloudFailed: the account could not.
            Malformed: a file of the run cannot be used.
            OSError: a file of the run cannot be written.
        """
        doing: dict[type[object], Callable[[Run, RunFolder], AnyEvent]] = {
            RunPreflight: self.preflight,
            Synthesise: self.synthesise,
            MakePlan: self.plan,
            ApplyStacks: self.apply,
            CheckHealth: self.health,
            WatchAlarms: self.bake,
            ReturnToGood: self.return_to_good,
            DestroyStacks: self.destroy,
        }
        return doing[type(effect)](run, folder)

    # --- before anything is changed -------------------------------------------------------------

    def preflight(self, _run: Run, _folder: RunFolder) -> AnyEvent:
        """Look whether it can be begun at all."""
        ground = Ground(self._place, self._cloud, self._source, self._shelf.path, MOST_STACKS)
        return Preflighted(look(ground, lambda finding: self._tell(finding_line(finding))))

    def synthesise(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Make the assembly and keep it; the emulator gets its bootstrap first."""
        if self._place.emulated and not bootstrap_version(self._cloud):
            self._tell("bootstrap: the emulator gets what the CDK needs")
            self._make_cdk(folder.log).bootstrap(self._place.account, self._place.region)
        out = folder.assembly
        if not out.exists():
            scratch = out.with_name("assembly.new")
            shutil.rmtree(scratch, ignore_errors=True)
            if self._script.assembly is not None:
                shutil.copytree(self._script.assembly, scratch)
            else:
                application = self._script.application(self._place.name, run.build)
                self._make_cdk(folder.log).synth(application, scratch)
            stacks_of(scratch)
            scratch.rename(out)
        return Synthesised(digest_of_folder(out))

    def plan(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Prepare the change sets and read them; stuck stacks are helped first, and it is said."""
        names = [stack.name for stack in stacks_of(folder.assembly)]
        facts = self._cloud.settle(names)
        stuck = [fact for fact in facts if way_out(fact.status) not in (Way.NONE, Way.WAIT)]
        if stuck and run.kind is Kind.PLAN:
            said = "; ".join(f"{fact.name} is in {fact.status}" for fact in stuck)
            remedy = f"main.py deploy apply {self._place.name} helps it out and plans then"
            return Broke(said, remedy)
        for said in self._cloud.help_out(facts, self._script.orphans):
            self._tell(said)
        before = {name: self._cloud.fact(name).status for name in names}
        change_set = change_set_name(run.number)
        self._make_cdk(folder.log).prepare(folder.assembly, names, change_set)
        plan = read_plan(
            self._cloud, self._place, folder.assembly, run.assembly, change_set, before
        )
        write_whole(folder.plan, msgspec.json.encode(plan))
        return Planned(digest(plan), plan.changes, names_of(plan.stacks), plan.at(Level.DANGER))

    # --- changing -------------------------------------------------------------------------------

    def apply(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Carry out the change sets that were approved, and no others."""
        stacks = list(run.stacks)
        if not stacks:
            return Succeeded()
        change_set = change_set_name(run.number)
        known = {stack.name: stack for stack in stacks_of(folder.assembly)}
        needs = {name: known[name].after for name in stacks}
        follower = self._follower(run, folder, stacks)
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            facts = [self._cloud.fact(name, change_set) for name in stacks]
            follower()
            judgement, reason = judge(facts)
            if judgement is Judgement.APPLIED:
                return Succeeded()
            if judgement is Judgement.FAILED:
                return Broke(follower.first_failure or reason)
            ready = startable(facts, needs)
            for name in ready:
                self._cloud.execute(name, change_set, protected=known[name].protected)
            if not ready:
                time.sleep(POLL_S)
        return Broke(f"CloudFormation did not come to an end in {SETTLE_S:.0f} s")

    def return_to_good(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Deploy the good assembly again, and take away what it does not know."""
        good = self._shelf.folder(run.good)
        wanted = [stack.name for stack in stacks_of(good.assembly)]
        present = list(wanted)
        if folder.assembly.exists():
            present += [stack.name for stack in stacks_of(folder.assembly)]
        present = list(dict.fromkeys(present))
        for said in self._cloud.help_out(self._cloud.settle(present), self._script.orphans):
            self._tell(said)
        for name in present:
            self._cloud.drop_change_set(name, change_set_name(run.number))
        extra = [name for name in present if name not in wanted and self._cloud.fact(name).status]
        if extra:
            self._tell(f"{', '.join(extra)}: not there when it was good; taken away")
            self._make_cdk(folder.log).destroy(folder.assembly, extra)
        cdk = self._make_cdk(folder.log)
        cdk.told = follower = self._follower(run, folder, wanted)
        cdk.deploy(good.assembly, wanted)
        follower()
        return Succeeded()

    def destroy(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Take every stack away that is known of here."""
        numbers = [run.good, *reversed(self._shelf.numbers())]
        assemblies = [self._shelf.folder(number).assembly for number in numbers if number]
        assembly = next((found for found in assemblies if found.is_dir()), None)
        if assembly is None:
            return Succeeded()
        names = [stack.name for stack in stacks_of(assembly)]
        self._cloud.settle(names)
        cdk = self._make_cdk(folder.log)
        cdk.told = follower = self._follower(run, folder, names)
        cdk.destroy(assembly, names)
        follower()
        facts = self._cloud.settle(names)
        if left := [f"{fact.name} ({fact.status})" for fact in facts if fact.status]:
            return Broke(f"{', '.join(left)} are still there; {follower.first_failure}")
        self.good.forget()
        return Succeeded()

    # --- looking --------------------------------------------------------------------------------

    def health(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Ask everything whether it works, with the build that should answer."""
        looked, build = folder, run.build
        if run.phase is Phase.RECHECK:
            looked = self._shelf.folder(run.good)
            build = looked.run().build
        findings = self._script.health(self._cloud, looked.assembly, build)
        failed = any(finding.verdict is Verdict.FAILED for finding in findings)
        if run.phase is Phase.RECHECK and run.kind is Kind.ROLLBACK and not failed:
            # A person chose it: from now on this is what is gone back to.
            self.good.keep(looked.run(), looked, time.time_ns() // 1_000_000)
        return Checked(findings)

    def bake(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Watch the alarms; then keep the run as the one to go back to."""
        deadline = time.monotonic() + run.bake_s
        while True:
            ringing, count = self._cloud.ringing(f"{PREFIX}-{self._place.name}-")
            if ringing:
                return Baked(tuple(ringing), count)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(left_s, ALARMS_EVERY_S))
        # Before it is said to be good, so that nothing can be called good that is not kept.
        self.good.keep(run, folder, time.time_ns() // 1_000_000)
        return Baked((), count)

    def _follower(self, run: Run, folder: RunFolder, stacks: Sequence[str]) -> Follower:
        planned: dict[str, dict[str, str]] = {}
        if run.phase is Phase.APPLY:
            plan = msgspec.json.decode(folder.plan.read_bytes(), type=Plan)
            planned = {
                stack.name: {change.logical: change.type for change in stack.changes}
                for stack in plan.stacks
            }
        expected_s = {} if run.phase is not Phase.APPLY else self._shelf.durations_s(run.number)
        return Follower(self._cloud, stacks, planned, expected_s, self._progressed)
