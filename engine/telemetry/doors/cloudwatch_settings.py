"""What to ask CloudWatch for (values)."""

import msgspec

from engine.telemetry.doors.log_lines import Format
from engine.telemetry.records import Kind


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metric to ask for."""

    service: str
    """Whose it is, here."""
    name: str
    """What it is called here."""
    namespace: str
    metric: str
    """What CloudWatch calls it."""
    dimensions: dict[str, str] = {}
    stat: str = "Average"
    kind: Kind = Kind.GAUGE


class LogGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One log group to follow."""

    service: str
    group: str
    format: Format = Format.JSON


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask for."""

    metric: tuple[Metric, ...] = ()
    log: tuple[LogGroup, ...] = ()
    period_s: int = 60
    poll_s: float = 10.0
    """Between two questions for metrics and logs."""
    alarm_queue: str = ""
    """URL of the SQS queue to which an SNS topic sends the alarms; empty for none.

    ``{process}`` in it stands for the agent's name, or ``engine``: a message goes to one reader only,
    and every agent has to see for itself.
    """
    states_s: float = 30.0
    """Between two looks at all alarms' states: what a queue lost, or said before a restart."""
    alarm_services: dict[str, str] = {}
    """Which service an alarm is about, by the alarm's name."""
    alarm_dimension: str = "ServiceName"
    """Otherwise the dimension that names it."""
