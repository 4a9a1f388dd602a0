"""Which AWS resource each service of the manifest is, and how its runs are named there (pure).

A run's fencing number is made of what AWS calls the run (a task's or an instance's id), so that an
action names exactly one run, as it does on a machine by pid and start time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from engine.vocabulary import Generation

ID_DIGITS = 12
"""Hexadecimal digits of an id that become the fencing number: 48 bits, below any wire limit."""

NO_GENERATION = Generation(0, 0, "")
"""Of what has no runs that AWS would tell apart."""


class EcsService(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ecs"):
    """An ECS service with one task; its release is its task definition, ``family:revision``."""

    cluster: str
    service: str


class LambdaAlias(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="lambda"):
    """A Lambda function behind an alias; its release is the version that the alias names."""

    function: str
    alias: str


class AutoScalingGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="asg"):
    """A group of one instance; its release is the launch template's version."""

    group: str
    template: str
    """Name of the launch template."""


class SsmDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ssm"):
    """A service on a managed instance that an SSM document restarts.

    The document and its parameters are the operator's; no telemetry gets into them.
    """

    document: str
    instance: str
    parameters: dict[str, list[str]] = {}


Binding = EcsService | LambdaAlias | AutoScalingGroup | SsmDocument


class Run(msgspec.Struct, frozen=True):
    """One run of a service, as AWS knows it."""

    id: str
    """A task's ARN, an instance's id, a function's version."""
    generation: Generation
    alive: bool


def fencing_number(identity: str) -> int:
    """The number of the run that AWS calls ``identity``.

    Raises:
        ValueError: the id is not one of AWS' hexadecimal ones.
    """
    return int(identity.rpartition("/")[2].rpartition("-")[2][:ID_DIGITS], 16)


def newest_task(tasks: list[Mapping[str, Any]]) -> Run | None:
    """The task that runs, or the one that ran last; None where there was none.

    ``tasks`` as ``DescribeTasks`` gives them.
    """
    runs = [_task(task) for task in tasks]
    return max(runs, key=lambda run: (run.alive, run.generation.started_ms), default=None)


def _task(task: Mapping[str, Any]) -> Run:
    started = task.get("startedAt") or task.get("createdAt")
    return Run(
        task["taskArn"],
        Generation(
            fencing_number(task["taskArn"]),
            millis(started),
            task["taskDefinitionArn"].rpartition("/")[2],
        ),
        task.get("lastStatus") == "RUNNING",
    )


def newest_instance(group: Mapping[str, Any]) -> Run | None:
    """The instance in service of a group as ``DescribeAutoScalingGroups`` gives it."""
    found = []
    for instance in group.get("Instances", ()):
        version = str(instance.get("LaunchTemplate", {}).get("Version", ""))
        number = fencing_number(instance["InstanceId"])
        alive = instance.get("LifecycleState") == "InService"
        found.append(Run(instance["InstanceId"], Generation(number, 0, version), alive))
    return max(found, key=lambda run: run.alive, default=None)


def version_run(alias: Mapping[str, Any]) -> Run:
    """The version that an alias names, as ``GetAlias`` gives it: always alive."""
    version = str(alias["FunctionVersion"])
    return Run(version, Generation(0, 0, version), alive=True)


def millis(at: datetime | None) -> int:
    """Unix milliseconds; 0 for none."""
    return 0 if at is None else round(at.timestamp() * 1_000)
