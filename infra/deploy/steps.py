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
from infra.deploy.carrying import carry_out, take_away
from infra.deploy.cdk import Cdk
from infra.deploy.cloud import Cloud
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
from infra.deploy.planning import change_set_name, names_of, read_plan, way_back_name
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
from infra.deploy.stacks import Way, way_out
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
        """Make the assembly and keep it; the emulator gets its bootstrap meanwhile."""
        out = folder.assembly
        if out.exists():
            self._bootstrap(folder)
        else:
            scratch = out.with_name("assembly.new")
            shutil.rmtree(scratch, ignore_errors=True)
            self._make_assembly(scratch, run, folder)
            stacks_of(scratch)
            scratch.rename(out)
        return Synthesised(digest_of_folder(out))

    def _make_assembly(self, out: Path, run: Run, folder: RunFolder) -> None:
        if self._script.assembly is not None:
            self._bootstrap(folder)
            shutil.copytree(self._script.assembly, out)
        else:
            application = self._script.application(self._place.name, run.build)
            cdk = self._make_cdk(folder.log)
            cdk.synth(application, out, meanwhile=lambda: self._bootstrap(folder))

    def _bootstrap(self, folder: RunFolder) -> None:
        """Give the emulator what the CDK needs, once; an account's owner does it himself."""
        if self._place.emulated and not bootstrap_version(self._cloud):
            self._tell("bootstrap: the emulator gets what the CDK needs")
            log = folder.log.with_name("bootstrap.log")
            self._make_cdk(log).bootstrap(self._place.account, self._place.region)

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
        if not run.stacks:
            return Succeeded()
        stacks = [stack for stack in stacks_of(folder.assembly) if stack.name in run.stacks]
        plan = msgspec.json.decode(folder.plan.read_bytes(), type=Plan)
        planned = {
            stack.name: {change.logical: change.type for change in stack.changes}
            for stack in plan.stacks
        }
        follower = self._follower(run, run.stacks, planned)
        return carry_out(self._cloud, stacks, change_set_name(run.number), follower)

    def return_to_good(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Deploy the good assembly again, and take away what it does not know."""
        good = self._shelf.folder(run.good)
        wanted = stacks_of(good.assembly)
        names = [stack.name for stack in wanted]
        tried = stacks_of(folder.assembly) if folder.assembly.exists() else []
        extra = [stack for stack in tried if stack.name not in names]
        present = [*names, *(stack.name for stack in extra)]
        for said in self._cloud.help_out(self._cloud.settle(present), self._script.orphans):
            self._tell(said)
        for name in present:
            self._cloud.drop_change_set(name, change_set_name(run.number))
        if there := [stack.name for stack in extra if self._cloud.fact(stack.name).status]:
            self._tell(f"{', '.join(there)}: not there when it was good; taken away")
            gone = take_away(self._cloud, extra, self._follower(run, there, {}))
            if isinstance(gone, Broke):
                return gone
        change_set = way_back_name(run.number)
        self._make_cdk(folder.log).prepare(good.assembly, names, change_set)
        changes = {name: self._cloud.changes(name, change_set) for name in names}
        planned = {
            name: {change.logical: change.type for change in found}
            for name, found in changes.items()
            if found
        }
        back = [stack for stack in wanted if stack.name in planned]
        return carry_out(self._cloud, back, change_set, self._follower(run, list(planned), planned))

    def destroy(self, run: Run, folder: RunFolder) -> AnyEvent:
        """Take every stack away that is known of here."""
        numbers = [run.good, *reversed(self._shelf.numbers())]
        assemblies = [self._shelf.folder(number).assembly for number in numbers if number]
        assembly = next((found for found in assemblies if found.is_dir()), None)
        if assembly is None:
            return Succeeded()
        stacks = stacks_of(assembly)
        names = [stack.name for stack in stacks]
        self._cloud.settle(names)
        gone = take_away(self._cloud, stacks, self._follower(run, names, {}))
        if isinstance(gone, Succeeded):
            self.good.forget()
        return gone

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

    def _follower(
        self, run: Run, stacks: Sequence[str], planned: Mapping[str, Mapping[str, str]]
    ) -> Follower:
        expected_s = {} if run.phase is not Phase.APPLY else self._shelf.durations_s(run.number)
        return Follower(self._cloud, stacks, planned, expected_s, self._progressed)
