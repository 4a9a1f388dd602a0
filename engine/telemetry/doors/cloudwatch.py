"""What CloudWatch says, to records: metric data, alarms as SNS hands them to SQS, log events (pure).

Sources: CloudWatch API reference ``GetMetricData``; "Amazon SNS message and JSON formats"; the alarm
notification as CloudWatch publishes it; CloudWatch Logs API reference ``FilterLogEvents``.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from engine.codec import Malformed
from engine.telemetry.doors import log_lines
from engine.telemetry.doors.cloudwatch_settings import LogGroup, Metric
from engine.telemetry.records import MAX_NAME, Alert, Batch, LogRecord, Point

MAX_QUERIES = 500
"""Of one GetMetricData request (service quota)."""
ALARM_STATES = frozenset({"ALARM", "OK", "INSUFFICIENT_DATA"})


def queries(metrics: Sequence[Metric], period_s: int) -> list[dict[str, Any]]:
    """The ``MetricDataQueries`` for ``metrics``; query ``m3`` is the fourth of them."""
    return [
        {
            "Id": f"m{place}",
            "MetricStat": {
                "Metric": {
                    "Namespace": metric.namespace,
                    "MetricName": metric.metric,
                    "Dimensions": [
                        {"Name": name, "Value": value}
                        for name, value in sorted(metric.dimensions.items())
                    ],
                },
                "Period": period_s,
                "Stat": metric.stat,
            },
        }
        for place, metric in enumerate(metrics)
    ]


def points_in(results: Iterable[Mapping[str, Any]], metrics: Sequence[Metric]) -> Batch:
    """The points of ``MetricDataResults``, by time."""
    points: list[Point] = []
    rejected, why = 0, ""
    for result in results:
        place = str(result.get("Id", ""))[1:]
        if not place.isdecimal() or int(place) >= len(metrics):
            rejected, why = rejected + 1, why or "an answer to no query of ours"
            continue
        metric = metrics[int(place)]
        for at, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=False):
            if math.isfinite(value):
                points.append(
                    Point(at.timestamp(), metric.service, metric.name, float(value), metric.kind)
                )
    return Batch(tuple(sorted(points, key=lambda point: point.t)), rejected, why)


# --- alarms -----------------------------------------------------------------------------------


class _Envelope(msgspec.Struct, frozen=True):
    Type: str
    Message: str


class _Trigger(msgspec.Struct, frozen=True):
    Dimensions: tuple[dict[str, str], ...] = ()
    """Of ``name`` and ``value``; some senders write them with capitals."""


class _Alarm(msgspec.Struct, frozen=True):
    AlarmName: str
    NewStateValue: str
    StateChangeTime: str
    Trigger: _Trigger = _Trigger()


_envelopes = msgspec.json.Decoder(_Envelope)
_alarms = msgspec.json.Decoder(_Alarm)


def alarm_in(body: str, services: Mapping[str, str], dimension: str) -> Alert | None:
    """The alarm in the body of one SQS message; None where no service of ours is meant.

    ``services`` names the service of an alarm by the alarm's name; where it does not, the value
    of the metric's ``dimension`` does. The reason that CloudWatch gives in words is not taken.

    Raises:
        Malformed: the body is no alarm notification.
    """
    try:
        envelope = _envelopes.decode(body)
        alarm = _alarms.decode(envelope.Message)
        at = datetime.fromisoformat(alarm.StateChangeTime)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"CloudWatch: no alarm: {str(error)[:200]}") from None
    if alarm.NewStateValue not in ALARM_STATES or at.tzinfo is None:
        raise Malformed(f"CloudWatch: alarm in the state {alarm.NewStateValue[:40]!r}")
    lowered = ({k.lower(): v for k, v in found.items()} for found in alarm.Trigger.Dimensions)
    named = {found.get("name", ""): found.get("value", "") for found in lowered}
    service = services.get(alarm.AlarmName) or named.get(dimension, "")
    if not service or max(len(service), len(alarm.AlarmName)) > MAX_NAME:
        return None
    firing = alarm.NewStateValue == "ALARM"
    return Alert(at.timestamp(), service, alarm.AlarmName, firing, alarm.AlarmName)


def alerts_in(
    alarms: Iterable[Mapping[str, Any]], services: Mapping[str, str], dimension: str
) -> Batch:
    """The states in ``MetricAlarms``, firing or not, of alarms about services of ours."""
    found: list[Alert] = []
    for alarm in alarms:
        name = str(alarm.get("AlarmName", ""))
        named = {d["Name"]: d["Value"] for d in alarm.get("Dimensions", ())}
        service = services.get(name) or named.get(dimension, "")
        at = alarm.get("StateUpdatedTimestamp")
        if service and name and isinstance(at, datetime):
            firing = alarm.get("StateValue") == "ALARM"
            found.append(Alert(at.timestamp(), service, name, firing, name))
    return Batch(tuple(sorted(found, key=lambda alert: alert.t)))


# --- logs -------------------------------------------------------------------------------------


def lines_in(events: Iterable[Mapping[str, Any]], group: LogGroup) -> Batch:
    """The records in the events of one group, by time."""
    records: list[LogRecord] = []
    rejected = 0
    for event in events:
        at_s = float(event.get("timestamp", 0)) / 1_000
        line = str(event.get("message", "")).encode(errors="replace")
        record = log_lines.read(line, group.format, group.service, at_s)
        if record is None:
            rejected += 1
        else:
            records.append(record)
    records.sort(key=lambda record: record.t)
    return Batch(tuple(records), rejected, "a line that is not as its format says" * bool(rejected))
