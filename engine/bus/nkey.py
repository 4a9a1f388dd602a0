"""A process's own key to a bus that others run: the server asks, the key answers, no password exists.

NATS calls it an nkey: an Ed25519 key whose public half stands in the server's configuration. A server
sends a nonce, whoever connects signs it. The key is made by its own process and serves nothing else, so
that no answer to a server can ever pass for a vote.
"""

import base64
import binascii
import os
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.codec import Malformed
from engine.signing import Ed25519Signer

_USER = 20 << 3
"""The first byte of a user's key: it makes the text begin with U."""
_TEXT = re.compile(r"U[A-Z2-7]{55}")

__all__ = ["BusKey", "publish_bus_key", "read_bus_key"]


class BusKey:
    """The private key in a file of its own."""

    def __init__(self, path: Path) -> None:
        """Load the key at ``path``; made there, for its owner only, if it is new.

        Raises:
            KeyFileError: the file is readable by others or does not hold a key.
        """
        public = Ed25519Signer.load_or_create(path).public_key
        self._key = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
        self.public = _text_of(public)
        """The public half as servers write it."""

    def answer(self, nonce: str) -> bytes:
        """What a server gets back for its ``nonce``: the signature in base64."""
        return base64.b64encode(self._key.sign(nonce.encode()))


def _text_of(public_key: bytes) -> str:
    """A user's public key in the form of NATS: prefix, key and CRC-16/XMODEM in base 32."""
    body = bytes([_USER]) + public_key
    checksum = binascii.crc_hqx(body, 0).to_bytes(2, "little")
    return base64.b32encode(body + checksum).decode().rstrip("=")


def publish_bus_key(path: Path, key: BusKey) -> None:
    """Put the public half where the servers of the bus look for it."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(key.public + "\n")
    scratch.replace(path)


def read_bus_key(path: Path) -> str:
    """The public half in a file.

    Raises:
        Malformed: it holds something else.
    """
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: cannot read the key to the bus: {error}") from None
    if not _TEXT.fullmatch(text):
        raise Malformed(f"{path}: no key to the bus; remove it and start its process anew")
    if _text_of(base64.b32decode(text)[1:33]) != text:
        raise Malformed(f"{path}: a key to the bus with a letter wrong; start its process anew")
    return text
