"""The one canonical encoding: MessagePack through msgspec, and SHA-256 digests over it.

A struct has exactly one encoding: decoding something and encoding it again must give the same
bytes, and ``decode`` refuses what does not.
"""

import hashlib
from typing import Any, TypeVar

import msgspec

from engine.vocabulary import Digest

T = TypeVar("T")

MAX_FRAME_BYTES = 1 << 20
"""Nothing longer is decoded at all."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}

NO_DIGEST = Digest(bytes(32))
"""Stands where a digest is asked for and there is nothing to digest."""


class Malformed(ValueError):
    """Bytes that are not the canonical encoding of what was expected."""


def encode(value: Any) -> bytes:  # noqa: ANN401 -- any msgspec value
    """The canonical bytes of ``value``."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """The value of type ``kind`` whose canonical encoding is ``data``.

    Raises:
        Malformed: too long, not MessagePack, of another shape, or not canonical.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise Malformed(f"{len(data)} bytes are over the limit of {MAX_FRAME_BYTES}")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        value: T = decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from None
    if _encoder.encode(value) != data:
        raise Malformed(f"not the canonical encoding of {getattr(kind, '__name__', kind)}")
    return value


def digest_of(domain: str, *parts: bytes) -> Digest:
    """SHA-256 over a domain and length-prefixed parts, so that no two meanings share a digest."""
    hasher = hashlib.sha256()
    for part in (domain.encode(), *parts):
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return Digest(hasher.digest())
