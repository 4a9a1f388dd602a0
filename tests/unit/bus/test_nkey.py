"""A process's key to a bus that others run: its public half is what NATS writes, its private half stays."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.bus.nkey import BusKey, publish_bus_key, read_bus_key
from engine.codec import Malformed


def test_a_key_is_made_once_for_its_owner_only_and_answers_a_nonce(tmp_path: Path) -> None:
    path = tmp_path / "bus.key"

    key = BusKey(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert BusKey(path).public == key.public
    raw = base64.b32decode(key.public)[1:33]
    Ed25519PublicKey.from_public_bytes(raw).verify(
        base64.b64decode(key.answer("no-nce")), b"no-nce"
    )


def test_the_public_half_is_text_as_nats_writes_it(tmp_path: Path) -> None:
    public = BusKey(tmp_path / "bus.key").public

    assert public.startswith("U")
    body = base64.b32decode(public)
    assert len(body) == 1 + 32 + 2
    assert int.from_bytes(body[33:], "little") == _crc16(body[:33])


def _crc16(data: bytes) -> int:
    """CRC-16/XMODEM bit by bit: polynomial 0x1021, from zero."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def test_what_is_published_is_read_back_and_a_wrong_letter_is_seen(tmp_path: Path) -> None:
    key, path = BusKey(tmp_path / "bus.key"), tmp_path / "engine.bus"
    publish_bus_key(path, key)

    assert read_bus_key(path) == key.public

    other = "A" if key.public[20] != "A" else "B"
    path.write_text(key.public[:20] + other + key.public[21:])
    with pytest.raises(Malformed, match="a letter wrong"):
        read_bus_key(path)


@pytest.mark.parametrize("text", ["", "hello", '"], evil: ["', "U" * 57, "\udcff"])
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "engine.bus"
    path.write_text(text, errors="surrogateescape")

    with pytest.raises(Malformed, match=r"engine\.bus"):
        read_bus_key(path)
