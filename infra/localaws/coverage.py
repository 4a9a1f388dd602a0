"""What of AWS the emulator really does, service by service: one table, and a probe behind each line.

``tests/aws/test_coverage.py`` asks a running emulator about every line, so the table cannot go on
claiming what a new version does differently. A health check of a service that is not ``REAL`` may
say ``control-plane-only``, and never green.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["COVERAGE", "Coverage", "Depth"]


class Depth(StrEnum):
    """How far down a service is there."""

    REAL = "real"
    """What is done has its effect."""
    CONTROL_PLANE_ONLY = "control-plane-only"
    """Things can be made, listed and changed; nothing stands behind them."""
    ABSENT = "absent"
    """Every call is refused."""


@dataclass(frozen=True)
class Coverage:
    """One service."""

    service: str
    """Its name in boto3."""
    depth: Depth
    what: str
    """What happens, or what does not."""


COVERAGE = {
    line.service: line
    for line in (
        Coverage("dynamodb", Depth.REAL, "conditional writes are refused when they must be"),
        Coverage("kinesis", Depth.REAL, "a record is read back with its sequence number"),
        Coverage("sqs", Depth.REAL, "messages, delays and dead letters"),
        Coverage("cloudwatch", Depth.REAL, "alarms are evaluated and their actions delivered"),
        Coverage("lambda", Depth.REAL, "Python runs in a process"),
        Coverage("ecs", Depth.REAL, "a task is a process of this machine, by the launcher"),
        Coverage("ec2", Depth.REAL, "an instance of the image `shell` is a process with a shell"),
        Coverage("ssm", Depth.REAL, "documents of ours and shell commands run in such an instance"),
        Coverage(
            "efs",
            Depth.CONTROL_PLANE_ONLY,
            "names alone; a task that mounts an access point gets a folder, by the launcher",
        ),
        Coverage("autoscaling", Depth.CONTROL_PLANE_ONLY, "instances of a group are names alone"),
        Coverage("opensearchserverless", Depth.CONTROL_PLANE_ONLY, "nothing can be searched"),
        Coverage("bedrock-agent", Depth.CONTROL_PLANE_ONLY, "agents are kept; no model answers"),
        Coverage("service-quotas", Depth.ABSENT, "there are no limits to ask about"),
        Coverage("application-autoscaling", Depth.ABSENT, "nothing scales by itself"),
    )
}
"""By the service's name in boto3."""
