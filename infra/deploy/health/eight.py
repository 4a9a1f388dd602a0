"""The eight checks of an environment, and what is kept of them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.codec import Malformed
from infra.deploy.assembly import stacks_of, template_of
from infra.deploy.cloud import Cloud
from infra.deploy.health.agents import agent_smoke
from infra.deploy.health.data import dynamodb_canary, kinesis_round_trip, opensearch
from infra.deploy.health.faces import http_health, lambda_invocation, websocket_round_trip
from infra.deploy.health.pace import pace
from infra.deploy.health.suite import Check, Sight, run_checks
from infra.deploy.journal import Shelf, write_whole
from infra.deploy.report import HealthReport
from infra.deploy.run import Finding
from infra.environments import Environment

__all__ = ["Deployed", "ask_health"]


class Deployed(NamedTuple):
    """What is asked."""

    cloud: Cloud
    assembly: Path
    build: str
    """What should answer."""


def ask_health(
    environment: Environment,
    shelf: Shelf,
    deployed: Deployed,
    told: Callable[[Finding], None],
    *,
    hurried: bool = False,
) -> HealthReport:
    """Ask all eight, and keep what they found as the newest report.

    Args:
        environment: where it is deployed.
        shelf: what this machine keeps of it.
        deployed: what is asked.
        told: hears each finding.
        hurried: whether one that failed is enough to know.

    Raises:
        Malformed: the assembly or the baseline cannot be read.
        CloudFailed: the outputs of the stacks cannot be read.
    """
    cloud, assembly, build = deployed
    stacks = stacks_of(assembly)
    kinds = {
        str(resource.get("Type"))
        for stack in stacks
        for resource in template_of(stack).get("Resources", {}).values()
    }
    outputs = cloud.outputs([stack.name for stack in stacks])
    measured: dict[str, float] = {}
    sight = Sight(environment, cloud, outputs, build, frozenset(kinds), shelf.emulator)
    checks = (
        Check("dynamodb", dynamodb_canary),
        Check("kinesis", kinesis_round_trip, timeout_s=15),
        Check("opensearch", opensearch),
        # A first start of a function takes seconds, on AWS too.
        Check("lambda", lambda_invocation, timeout_s=20),
        Check("http", http_health, timeout_s=20),
        Check("websocket", websocket_round_trip, timeout_s=20),
        # A swarm that was just started founds itself meanwhile.
        Check("agents", agent_smoke, timeout_s=150, tries=2, begins_first=True),
        Check(
            "performance",
            pace(_baseline(shelf), measured.update),
            timeout_s=30,
            tries=2,
        ),
    )
    findings = run_checks(sight, checks, told, hurried=hurried)
    report = HealthReport(
        time.time_ns() // 1_000_000, environment.name, build, findings, dict(measured)
    )
    write_whole(shelf.health, msgspec.json.encode(report))
    return report


def _baseline(shelf: Shelf) -> dict[str, float]:
    """What the last good run measured; empty before there was one."""
    try:
        return msgspec.json.decode(shelf.baseline.read_bytes(), type=dict[str, float])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise Malformed(f"{shelf.baseline}: {error}; remove it to begin anew") from None
