"""Ed25519 keys (RFC 8032): one library for the whole committee, private keys in 0600 files.

Every signature is made inside a domain, so that bytes signed for one purpose mean nothing for
another. The library is ``cryptography`` everywhere: libraries differ in which malformed
signatures they accept, and a committee that mixes them can be split.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)


class Domain(StrEnum):
    """What a signature is for; a prefix of the signed bytes."""

    SUBMISSION = "incident-commander/1/submission"
    CONSENSUS = "incident-commander/1/consensus"
    CERTIFICATE = "incident-commander/1/certificate"
    DEPLOYMENT = "incident-commander/1/deployment"
    DRILL = "incident-commander/1/drill"
    CLAIM = "incident-commander/1/claim"
    WISH = "incident-commander/1/wish"
    ANSWER = "incident-commander/1/answer"


class KeyFileError(ValueError):
    """A key file that cannot be used; the message names the file and the remedy."""


class Signer(Protocol):
    """Somebody who can sign."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what ``sign`` returns."""
        ...

    def sign(self, domain: Domain, payload: bytes) -> bytes:
        """A 64-byte signature over ``payload`` in ``domain``."""
        ...


class Verifier(Protocol):
    """Checks signatures by public key."""

    def verify(self, public_key: bytes, domain: Domain, payload: bytes, signature: bytes) -> bool:
        """Whether ``signature`` over ``payload`` in ``domain`` was made by ``public_key``."""
        ...


def _framed(domain: Domain, payload: bytes) -> bytes:
    return domain.encode() + b"\0" + payload


class Ed25519Signer:
    """A private key in memory."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        """Wrap a private key."""
        self._private_key = private_key
        self._public_key = private_key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "Ed25519Signer":
        """A new key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519Signer":
        """The key that 32 bytes determine: for tests and simulation."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load_or_create(cls, path: Path) -> "Ed25519Signer":
        """The key in the file ``path``; made there, readable by its owner only, if it is new.

        Raises:
            KeyFileError: the file is readable by others or does not hold a key.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls.load(path)
        signer = cls.generate()
        with os.fdopen(descriptor, "wb") as file:
            file.write(signer._private_key.private_bytes_raw())  # noqa: SLF001 -- own class
            file.flush()
            os.fsync(file.fileno())
        return signer

    @classmethod
    def load(cls, path: Path) -> "Ed25519Signer":
        """The key in an existing file.

        Raises:
            KeyFileError: the file is missing, readable by others or does not hold a key.
        """
        try:
            mode = path.stat().st_mode & 0o777
            seed = path.read_bytes()
        except OSError as error:
            raise KeyFileError(f"{path}: cannot read the key: {error.strerror}") from None
        if mode & 0o077:
            raise KeyFileError(f"{path}: others can read this key; run: chmod 600 {path}")
        if len(seed) != 32:
            raise KeyFileError(f"{path}: {len(seed)} bytes are no Ed25519 key (32 bytes)")
        return cls.from_seed(seed)

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what ``sign`` returns."""
        return self._public_key

    def sign(self, domain: Domain, payload: bytes) -> bytes:
        """A 64-byte signature over ``payload`` in ``domain``."""
        return self._private_key.sign(_framed(domain, payload))


class Ed25519Verifier:
    """Verifies with ``cryptography``; parsed public keys are kept."""

    def __init__(self) -> None:
        """Start with no key parsed."""
        self._parsed: dict[bytes, Ed25519PublicKey] = {}

    def verify(self, public_key: bytes, domain: Domain, payload: bytes, signature: bytes) -> bool:
        """Whether ``signature`` over ``payload`` in ``domain`` was made by ``public_key``."""
        try:
            key = self._parsed.get(public_key)
            if key is None:
                key = Ed25519PublicKey.from_public_bytes(public_key)
                if len(self._parsed) < 1024:
                    self._parsed[public_key] = key
            key.verify(signature, _framed(domain, payload))
        except (InvalidSignature, ValueError):
            return False
        return True
