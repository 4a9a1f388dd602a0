"""Where a deployment happens: the emulator is started for ``local``, an account is confirmed else."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import boto3
import msgspec
from msgspec.structs import replace

from engine.codec import Malformed
from infra.deploy.assembly import build_of, stacks_of
from infra.deploy.cdk import Cdk
from infra.deploy.cloud import LOOPBACK_POLL_S, POLL_S, Cloud, CloudFailed
from infra.deploy.conductor import Asker, Conductor
from infra.deploy.good import Good
from infra.deploy.health.eight import Deployed, ask_health
from infra.deploy.journal import Progress, Shelf, write_whole
from infra.deploy.report import HealthReport
from infra.deploy.run import Finding
from infra.deploy.source import REPOSITORY, source_of
from infra.deploy.steps import Script, Steps
from infra.deploy.telling import finding_line, progress_line
from infra.environments import Environment
from infra.localaws import end_local_aws, find_local_aws, start_local_aws
from infra.target import banner, confirm_target

__all__ = ["Ground", "end_emulator", "look_at", "open_ground"]


class Ground(NamedTuple):
    """Everything that a run needs."""

    cloud: Cloud
    conductor: Conductor


def open_ground(
    args: argparse.Namespace,
    place: Environment,
    shelf: Shelf,
    tell: Callable[[str], None],
    ask: Asker,
) -> Ground:
    """Make ready for a run, once it is certain where it goes.

    Raises:
        WrongTarget: the tools would go somewhere else than ``place`` lies.
        LocalAwsFailed: the emulator does not start.
        Malformed: an option names something that is not there.
    """
    shelf.make()
    variables = _variables(place, shelf, tell)
    cloud = _cloud(place, variables)
    confirm_target(place, cloud.session)
    tell(f"target: {banner(place)}")
    rehearsal = ["--unhealthy"] if args.rehearse_bad_update else []
    script = Script(
        application=lambda name, build: _application(name, build, rehearsal),
        health=lambda cloud, assembly, build: (
            ask_health(
                place,
                shelf,
                Deployed(cloud, assembly, build),
                lambda found: tell(finding_line(found)),
                hurried=True,
            ).findings
        ),
        orphans=_orphans(args.orphan),
        assembly=_assembly(args.assembly),
    )
    source = source_of(REPOSITORY)
    if args.assembly is not None:
        # Made elsewhere, perhaps of other sources: what it says of itself is what must answer.
        source = source._replace(build=build_of(args.assembly) or source.build)
    if args.rehearse_bad_update:
        source = source._replace(build=f"{source.build}-rehearsal")

    def steps(progressed: Callable[[Progress], None]) -> Steps:
        def both(line: Progress) -> None:
            progressed(line)
            tell(progress_line(line))

        def cdk(log: Path) -> Cdk:
            return Cdk(variables, log)

        return Steps(place, shelf, cloud, cdk, script, source, tell, both)

    return Ground(cloud, Conductor(place, shelf, cloud, source, steps, tell, ask))


def look_at(place: Environment, shelf: Shelf, told: Callable[[Finding], None]) -> HealthReport:
    """Ask the health of what is deployed in ``place``, and whether it has drifted.

    Raises:
        Malformed: nothing is deployed there.
        WrongTarget: the tools would go somewhere else.
        CloudFailed: the account cannot be asked.
    """
    if place.emulated and find_local_aws(shelf.emulator) is None:
        raise Malformed("the emulator does not run: main.py deploy apply local starts it")
    variables = _variables(place, shelf, lambda _: None)
    cloud = _cloud(place, variables)
    confirm_target(place, cloud.session)
    number = Good(cloud, shelf.make()).find(banner(place), lambda _: None)
    if not number:
        raise Malformed(f"nothing is deployed: main.py deploy apply {place.name}")
    folder = shelf.folder(number)
    report = ask_health(place, shelf, Deployed(cloud, folder.assembly, folder.run().build), told)
    try:
        drifted = tuple(cloud.drifted([stack.name for stack in stacks_of(folder.assembly)]))
    except CloudFailed:
        return report
    report = replace(report, drifted=drifted)
    write_whole(shelf.health, msgspec.json.encode(report))
    return report


def end_emulator(shelf: Shelf) -> None:
    """End the emulator of ``local``, with all that runs in it."""
    end_local_aws(shelf.emulator)


def _variables(place: Environment, shelf: Shelf, tell: Callable[[str], None]) -> dict[str, str]:
    """What names the target, for boto3 and the CDK alike; the emulator is started for it."""
    if not place.emulated:
        os.environ.setdefault("AWS_REGION", place.region)
        os.environ.setdefault("AWS_DEFAULT_REGION", place.region)
        return {"AWS_REGION": os.environ["AWS_REGION"]}
    running = find_local_aws(shelf.emulator)
    if running is None:
        tell(f"starting the emulator in {shelf.emulator}")
        running = start_local_aws(shelf.emulator)
    variables = running.environment()
    # boto3 reads them when a client is made; no endpoint stands in our code.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
    return variables


def _cloud(place: Environment, variables: dict[str, str]) -> Cloud:
    poll_s = LOOPBACK_POLL_S if place.emulated else POLL_S
    return Cloud(boto3.Session(region_name=variables.get("AWS_REGION")), poll_s=poll_s)


def _application(name: str, build: str, rehearsal: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "infra.app", *rehearsal, name, build]


def _assembly(path: Path | None) -> Path | None:
    if path is not None and not (path / "manifest.json").is_file():
        raise Malformed(f"{path}: no assembly: it has no manifest.json")
    return path.resolve() if path is not None else None


def _orphans(named: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in named:
        stack, _, resource = text.partition(".")
        if not stack or not resource:
            raise Malformed(f"--orphan {text}: it looks like Stack.LogicalId")
        found.setdefault(stack, []).append(resource)
    return found
