"""A secret that the other side shows or signs with, read once for each life of a function."""

import hashlib
import hmac
import os
from functools import cache

__all__ = ["is_signed", "is_token", "signature"]

MAX_AGE_S = 300
"""A signed request that is older was recorded by somebody, and is refused."""


@cache
def _secret() -> bytes:
    import boto3

    answer = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SECRET"])
    return str(answer["SecretString"]).encode()


def signature(secret: bytes, sent_at_s: int, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over the time and the body, in hexadecimal."""
    return hmac.new(secret, b"%d." % sent_at_s + body, hashlib.sha256).hexdigest()


def is_signed(shown: str, sent_at: str, body: bytes, now_s: float) -> bool:
    """Whether ``shown`` is the signature of ``body`` at a time that is not long ago."""
    if not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) <= 12):
        return False
    if abs(now_s - int(sent_at)) > MAX_AGE_S:
        return False
    return hmac.compare_digest(signature(_secret(), int(sent_at), body), shown)


def is_token(shown: str) -> bool:
    """Whether ``shown`` is the header ``Bearer`` with our secret."""
    kind, _, token = shown.partition(" ")
    return kind == "Bearer" and hmac.compare_digest(_secret(), token.encode())
