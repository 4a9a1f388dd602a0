"""What API Gateway hands to a function, as far as we read it, and what we hand back.

Everything in it comes from outside: nothing is taken for what it should be without a look.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Event", "body_of", "header", "reply"]

Event = Mapping[str, Any]
"""JSON from API Gateway, payload format 2.0."""


def header(event: Event, name: str) -> str:
    """A header's value; empty when there is none. Names come in any case."""
    headers = event.get("headers")
    if not isinstance(headers, Mapping):
        return ""
    return next((str(value) for key, value in headers.items() if str(key).lower() == name), "")


def body_of(event: Event, limit: int) -> bytes | None:
    """The body's bytes; None when it is longer than ``limit`` or is none."""
    text = event.get("body")
    if not isinstance(text, str) or len(text) > 2 * limit + 4:
        return None
    if event.get("isBase64Encoded") is True:
        try:
            content = base64.b64decode(text, validate=True)
        except ValueError:
            return None
    else:
        content = text.encode()
    return content if len(content) <= limit else None


def reply(status: int, body: Mapping[str, object]) -> dict[str, object]:
    """An answer in JSON that nothing between us and the asker keeps."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body, separators=(",", ":")),
    }
