"""Alertmanager's webhook: groups of alerts to records (pure).

As Alertmanager's documentation of ``webhook_config`` gives it, version 4 of the message. What a page
says in words (annotations) is written by whoever wrote the rule and is not taken: only which
service, which rule, and whether it fires.
"""

from datetime import datetime

import msgspec

from engine.codec import Malformed
from engine.telemetry.records import MAX_NAME, Alert, Batch

SERVICE_LABELS = ("service", "job", "app")
"""Which label names the service: the first of these that there is."""


class _Alert(msgspec.Struct):
    status: str
    labels: dict[str, str]
    startsAt: datetime  # noqa: N815 - as it stands on the wire
    fingerprint: str = ""
    endsAt: datetime | None = None  # noqa: N815 - as it stands on the wire


class _Message(msgspec.Struct):
    version: str
    alerts: list[_Alert]
    truncatedAlerts: int = 0  # noqa: N815 - as it stands on the wire


_decoder = msgspec.json.Decoder(_Message)


def read(body: bytes) -> Batch:
    """The alerts of one webhook message, each as it is now.

    Raises:
        Malformed: ``body`` is no message of version 4.
    """
    try:
        message = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"Alertmanager: {error}") from None
    if message.version != "4":
        raise Malformed(f"Alertmanager: version {message.version[:8]!r} instead of '4'")
    alerts, rejected, why = [], message.truncatedAlerts, ""
    for found in message.alerts:
        alert = _alert(found)
        if alert is None:
            rejected += 1
            why = why or f"an alert without a label {' or '.join(SERVICE_LABELS)}"
        else:
            alerts.append(alert)
    return Batch(tuple(alerts), rejected, why)


def _alert(found: _Alert) -> Alert | None:
    service = next((found.labels[key] for key in SERVICE_LABELS if found.labels.get(key)), "")
    name = found.labels.get("alertname", "")
    aware = found.startsAt.tzinfo is not None
    if not service or not name or max(len(service), len(name)) > MAX_NAME or not aware:
        return None
    firing = found.status == "firing"
    ended = found.endsAt if found.endsAt is not None and found.endsAt.tzinfo is not None else None
    at = found.startsAt if firing or ended is None else ended
    return Alert(at.timestamp(), service, name, firing, found.fingerprint[:MAX_NAME])
