"""Who may connect and what for: tokens with a scope and an end, names and origins (pure).

The token in the run's file is its owner's and opens everything. From it, tokens for others can be
signed that allow less and expire: ``v1.CLAIMS.MAC``, both base64url, the MAC an HMAC-SHA256 under a
key that is derived from the file's token. A new file makes all of them void.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
from enum import IntEnum
from pathlib import Path

import msgspec

from engine.codec import Malformed

MAX_TOKEN = 512
MAX_NAME = 64
"""Characters of the name of whose a token is."""
BEARER = "bearer."
"""Begins the subprotocol by which a browser shows its token: it cannot set headers."""


class Scope(IntEnum):
    """What a token allows; each includes those below it."""

    VIEWER = 1
    """To look."""
    OPERATOR = 2
    """To send commands; what they may do, the signature inside them says."""
    ADMIN = 3
    """Allows what OPERATOR does; kept for what shall not be everybody's who commands."""


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token gives its bearer."""

    scope: Scope
    name: str = ""
    """Whose it is, for the record."""
    expires_ms: int = 0
    """Unix milliseconds; 0 for never."""
    id: str = ""
    """Names this one token, so that it can be revoked."""


class Listen(msgspec.Struct, frozen=True):
    """Where the engine listens, and to whom it answers."""

    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    """PEM file of the certificate chain; with it and ``key``, TLS and nothing else."""
    key: Path | None = None
    names: tuple[str, ...] = ()
    """Host names that clients may use beside the loopback ones: any other is DNS rebinding."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may connect; none without naming it. Native clients send none."""

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.certificate is not None

    def check(self) -> None:
        """Refuse what would show the token to a network.

        Raises:
            Malformed: not a loopback address and no TLS, or half of what TLS needs.
        """
        if (self.certificate is None) != (self.key is None):
            raise Malformed("TLS needs both a certificate and its key")
        if not self.tls and not is_loopback(self.host):
            raise Malformed(
                f"{self.host}: beyond loopback the stream is served with TLS only; "
                "name --tls-certificate and --tls-key"
            )

    def answers_to(self, host: str) -> bool:
        """Whether ``host``, as a client's ``Host`` header has it, is a name of ours."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return name in self.names or is_loopback(name.strip("[]"))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine and no network lies between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sign(root: str, grant: Grant) -> str:
    """A token for ``grant``, made by whoever holds the ``root`` token."""
    claims = msgspec.json.encode(grant)
    return f"v1.{_b64(claims)}.{_b64(_mac(root, claims))}"


def check(root: str, shown: str, now_ms: int) -> Grant | None:
    """What the token ``shown`` gives now; nothing where it is wrong or over."""
    if hmac.compare_digest(shown.encode(errors="replace"), root.encode()):
        return Grant(Scope.ADMIN)
    if len(shown) > MAX_TOKEN or shown.count(".") != 2:
        return None
    version, claims_text, mac_text = shown.split(".")
    try:
        claims, mac = _unb64(claims_text), _unb64(mac_text)
    except (binascii.Error, ValueError):
        return None
    if version != "v1" or not hmac.compare_digest(mac, _mac(root, claims)):
        return None
    try:
        grant = msgspec.json.decode(claims, type=Grant)
    except msgspec.DecodeError:
        return None
    return None if grant.expires_ms and grant.expires_ms <= now_ms else grant


def shown_token(authorization: list[str], offered: list[str]) -> str | None:
    """The one token that a handshake shows: in a header, or among the subprotocols."""
    shown = [
        value.partition(" ")[2].strip()
        for value in authorization
        if value.partition(" ")[0].lower() == "bearer"
    ]
    for name in offered:
        if name.startswith(BEARER):
            try:
                shown.append(_unb64(name.removeprefix(BEARER)).decode("ascii"))
            except (binascii.Error, ValueError):
                return None
    return shown[0] if len(shown) == 1 and len(authorization) <= 1 else None


def _mac(root: str, claims: bytes) -> bytes:
    key = hashlib.sha256(b"controlroom token\0" + root.encode()).digest()
    return hmac.digest(key, claims, "sha256")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _b64(data) != text:
        raise ValueError("the spare bits of the last letter are not zero")
    return data
