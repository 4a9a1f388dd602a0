"""What is looked at before anything is done: each with its verdict and the evidence for it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from engine.codec import Malformed
from engine.settings import read_settings
from infra.deploy.cloud import Cloud
from infra.deploy.run import Finding, Verdict
from infra.deploy.source import REPOSITORY, Source
from infra.environments import Environment
from infra.target import WrongTarget, confirm_target
from infra.tools import cdk_version, node

__all__ = ["Ground", "look", "watched_objection"]

FREE_BYTES = 512 << 20
WATCHED = REPOSITORY / "assets" / "watched"
"""A folder for each environment: what its swarm watches, and how it acts on it."""
LEAST_BOOTSTRAP = 6
"""The default synthesiser of CDK v2 needs it."""
STACK_LIMIT = "StackLimit"
CHECKED = ("infra",)
"""What lint and types are asked about: what is about to describe the account."""
Result = tuple[Verdict, str]


class Ground(NamedTuple):
    """What the checks look at."""

    environment: Environment
    cloud: Cloud
    source: Source
    folder: Path
    stacks: int
    """How many stacks will be deployed, at most."""


def look(ground: Ground, told: Callable[[Finding], None] = lambda _: None) -> tuple[Finding, ...]:
    """All checks, in order; credentials that are wrong end it, since nobody else may be asked."""
    found = []
    for name, check in CHECKS.items():
        verdict, evidence = check(ground)
        finding = Finding(name, verdict, evidence)
        found.append(finding)
        told(finding)
        if name == "account" and verdict is Verdict.FAILED:
            break
    return tuple(found)


def _tools(_: Ground) -> Result:
    """Node runs and the CDK lies beside it; to ask the CDK itself takes it a second to load."""
    try:
        argv = [str(node()), "--version"]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
        version = cdk_version()
    except (OSError, ValueError, subprocess.SubprocessError, ModuleNotFoundError) as error:
        return Verdict.FAILED, f"the CDK does not run: {error}"
    return Verdict.OK, f"CDK {version} on Node {said.strip()}"


def _disk(ground: Ground) -> Result:
    free = shutil.disk_usage(ground.folder).free
    if free < FREE_BYTES:
        return Verdict.FAILED, f"{free >> 20} MiB are free, {FREE_BYTES >> 20} are needed"
    return Verdict.OK, f"{free >> 20} MiB free"


def _tree(ground: Ground) -> Result:
    source = ground.source
    if not source.versioned:
        evidence = f"no git here; build {source.build} names the files themselves"
        bad = ground.environment.clean_tree_only
        return (Verdict.FAILED if bad else Verdict.OK), evidence
    if not source.changed:
        return Verdict.OK, f"clean, build {source.build}"
    shown = ", ".join(source.changed[:3])
    evidence = f"{len(source.changed)} files are not committed ({shown}), build {source.build}"
    if ground.environment.clean_tree_only:
        return Verdict.FAILED, f"{evidence}: commit or stash them"
    return Verdict.OK, evidence


def _lint(ground: Ground) -> Result:
    return _tool(ground, "ruff", ["-m", "ruff", "check", "--quiet", "--no-cache", *CHECKED])


def _types(ground: Ground) -> Result:
    return _tool(ground, "mypy", ["-m", "mypy", "--no-error-summary", *CHECKED])


def _tool(ground: Ground, tool: str, argv: list[str]) -> Result:
    """Run a tool of ours over what describes the account; the emulator is spared the wait."""
    if ground.environment.emulated and tool == "mypy":
        return Verdict.NOT_CHECKED, "asked for AWS only: make check says the same"
    import importlib.util

    if importlib.util.find_spec(tool) is None:
        evidence = f"{tool} is not installed: make venv brings it"
        bad = ground.environment.clean_tree_only
        return (Verdict.FAILED if bad else Verdict.NOT_CHECKED), evidence
    try:
        done = subprocess.run(
            [sys.executable, *argv], cwd=REPOSITORY, capture_output=True, text=True, timeout=600
        )
    except subprocess.TimeoutExpired:
        return Verdict.FAILED, f"{tool} took longer than 600 s"
    if done.returncode:
        lines = (done.stdout or done.stderr).strip().splitlines()
        # On the emulator one tries what is not finished yet; an account gets what is.
        verdict = Verdict.DEGRADED if ground.environment.emulated else Verdict.FAILED
        return verdict, f"{tool}: {(lines or ['no word'])[0][:200]} ({len(lines)} lines)"
    return Verdict.OK, f"{tool} finds nothing in {', '.join(CHECKED)}"


def watched_objection(environment: Environment) -> str:
    """Why the swarm of ``environment`` could not watch anything; empty when it can."""
    path = WATCHED / environment.name / "swarm.toml"
    try:
        settings, _, _ = read_settings(path)
    except Malformed as error:
        return str(error)
    if settings.agents != environment.agents:
        return f"{path}: agents is {settings.agents}, {environment.name} has {environment.agents}"
    return ""


def _watched(ground: Ground) -> Result:
    objection = watched_objection(ground.environment)
    if objection:
        return Verdict.FAILED, f"{objection} (docs/aws.md says what belongs there)"
    return Verdict.OK, f"as assets/watched/{ground.environment.name}/swarm.toml says"


def _account(ground: Ground) -> Result:
    try:
        target = confirm_target(ground.environment, ground.cloud.session)
    except WrongTarget as error:
        return Verdict.FAILED, str(error)
    except (BotoCoreError, ClientError) as error:
        return Verdict.FAILED, f"no credentials that work: {error}"
    return Verdict.OK, f"account {target.account}, {target.region}, {target.endpoints['sts']}"


def _bootstrap(ground: Ground) -> Result:
    version = bootstrap_version(ground.cloud)
    if version >= LEAST_BOOTSTRAP:
        return Verdict.OK, f"version {version}"
    place = ground.environment
    has = f"version {version}, {LEAST_BOOTSTRAP} is needed" if version else "none yet"
    if place.emulated:
        return Verdict.OK, f"{has}; it is made before the plan"
    # Its roles may do anything in the account: that is for the account's owner to decide.
    return (
        Verdict.FAILED,
        f"{has}: .venv/bin/cdk bootstrap aws://{place.account}/{place.region} (docs/deploy.md)",
    )


def _quota(ground: Ground) -> Result:
    try:
        limits = ground.cloud.client("cloudformation").describe_account_limits()["AccountLimits"]
        pages = ground.cloud.client("cloudformation").get_paginator("describe_stacks").paginate()
        count = sum(len(page["Stacks"]) for page in pages)
    except (BotoCoreError, ClientError) as error:
        if ground.environment.emulated:
            return Verdict.CONTROL_PLANE_ONLY, f"the emulator has no quotas: {error}"
        return Verdict.FAILED, f"quotas cannot be read: {error}"
    limit = next((entry["Value"] for entry in limits if entry["Name"] == STACK_LIMIT), 0)
    if limit and count + ground.stacks > limit:
        return Verdict.FAILED, f"{count} of {limit} stacks are taken, {ground.stacks} are wanted"
    return Verdict.OK, f"{count} of {limit or 'unlimited'} stacks are taken"


def bootstrap_version(cloud: Cloud) -> int:
    """The version of the CDK's bootstrap in the account; 0 when there is none."""
    text = cloud.outputs(["CDKToolkit"]).get("BootstrapVersion", "0")
    return int(text) if text.isdigit() else 0


CHECKS: dict[str, Callable[[Ground], Result]] = {
    "disk": _disk,
    "tree": _tree,
    "watched": _watched,
    "account": _account,
    "tools": _tools,
    "lint": _lint,
    "types": _types,
    "bootstrap": _bootstrap,
    "quota": _quota,
}
"""Cheap ones first; the account before anything is asked of it."""
