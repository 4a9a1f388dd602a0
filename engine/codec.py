"""The one canonical encoding: MessagePack through msgspec, and SHA-256 digests over it.

A struct has exactly one encoding: decoding something and encoding it again must give the same
bytes, and ``decode`` refuses what does not.
"""

import hashlib
import struct
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from engine.vocabulary import Digest

T = TypeVar("T")

MAX_FRAME_BYTES = 1 << 20
"""Nothing longer is decoded at all."""

_length_of = struct.Struct(">Q").pack
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_readers: dict[Any, Callable[[bytes], Any]] = {}

NO_DIGEST = Digest(bytes(32))
"""Stands where a digest is asked for and there is nothing to digest."""


class Malformed(ValueError):
    """Bytes that are not the canonical encoding of what was expected."""


def encode(value: Any) -> bytes:  # noqa: ANN401 -- any msgspec value
    """The canonical bytes of ``value``."""
    return _encoder.encode(value)


def reader_of(kind: type[T]) -> Callable[[bytes], T]:
    """A function that does what ``decode`` does for ``kind``, quicker: for what comes by thousands.

    ``kind`` may be a union of structs, told apart by their tags.
    """
    decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)
    from_bytes, to_bytes = decoder.decode, _encoder.encode
    name = getattr(kind, "__name__", kind)

    def read(data: bytes) -> T:
        if len(data) > MAX_FRAME_BYTES:
            raise Malformed(f"{len(data)} bytes are over the limit of {MAX_FRAME_BYTES}")
        try:
            value = from_bytes(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Malformed(str(error)) from None
        if to_bytes(value) != data:
            raise Malformed(f"not the canonical encoding of {name}")
        return value

    return read


def decode(data: bytes, kind: type[T]) -> T:
    """The value of type ``kind`` whose canonical encoding is ``data``.

    Raises:
        Malformed: too long, not MessagePack, of another shape, or not canonical.
    """
    read = _readers.get(kind)
    if read is None:
        read = _readers[kind] = reader_of(kind)
    value: T = read(data)
    return value


def digest_of(domain: str, *parts: bytes) -> Digest:
    """SHA-256 over a domain and length-prefixed parts, so that no two meanings share a digest."""
    framed = [_length_of(len(domain)), domain.encode()]
    for part in parts:
        framed += (_length_of(len(part)), part)
    return Digest(hashlib.sha256(b"".join(framed)).digest())
