"""``POST /v1/alarms``: an alarm of a system that is not CloudWatch, signed by whoever sends it.

The body is passed on as it is: it is data, and what it means is the engine's business. Headers:
``x-sent-at`` (seconds since 1970) and ``x-signature`` (see ``infra.functions.secret``).
"""

import json
import os
import time

from infra.functions.event import Event, body_of, header, reply
from infra.functions.secret import is_signed

__all__ = ["handler"]

MAX_BODY = 128 * 1024
"""SNS takes 256 KiB, and JSON inside JSON grows."""


def handler(event: Event, _context: object) -> dict[str, object]:
    """Pass one alarm on, or say why not."""
    body = body_of(event, MAX_BODY)
    if body is None:
        return reply(413, {"error": f"the body is missing or longer than {MAX_BODY} bytes"})
    if not is_signed(header(event, "x-signature"), header(event, "x-sent-at"), body, time.time()):
        return reply(401, {"error": "x-signature does not fit the body, or x-sent-at is too old"})
    try:
        alarm = json.loads(body)
    except (ValueError, RecursionError):
        return reply(400, {"error": "the body is not JSON"})
    if not isinstance(alarm, dict):
        return reply(400, {"error": "the body is not a JSON object"})

    import boto3

    answer = boto3.client("sns").publish(
        TopicArn=os.environ["ALARM_TOPIC"], Message=json.dumps(alarm, separators=(",", ":"))
    )
    return reply(202, {"accepted": answer["MessageId"]})
