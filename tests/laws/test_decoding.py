"""Whatever bytes come in, the only error that gets out is ``Malformed``, and it names the file."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import genesis as genesis_file
from engine.act.orders import Order
from engine.codec import MAX_FRAME_BYTES, Malformed, decode, encode
from engine.consensus.evidence import Evidence
from engine.ledger.export import lines_of
from engine.ledger.reading import read_any, read_keys
from engine.policy import Rules, read_rules, write_rules
from engine.topology import Endpoints, ServiceEndpoints, read_endpoints, read_manifest
from engine.vocabulary import Certificate, Entry, ServiceName, Signed, Submission
from tests.court import AGENTS, SHOP, Court, restart

FUZZ = settings(max_examples=150, deadline=None)

COURT = Court()
COURT.run_to_acted(restart())
CERTIFICATE = COURT.attempt.certificate
ENDPOINTS = Endpoints(
    "http://127.0.0.1:1/status",
    ("http://127.0.0.1:2/metrics",),
    {ServiceName("payments"): ServiceEndpoints("http://127.0.0.1:3", "", "payments.log")},
)

ENTRY = Entry(1, 0, (COURT.log[0][2],), ())

FRAMES: dict[Any, bytes] = {
    Submission: encode(COURT.log[0][1]),
    Signed: COURT.log[0][2],
    Certificate: encode(CERTIFICATE),
    Order: encode(Order(CERTIFICATE, (COURT.log[0][2],))),  # type: ignore[arg-type]
    Entry: encode(ENTRY),
    Evidence: encode(Evidence(AGENTS[0], "double-commit", b"1", b"2")),
}


def damaged(data: bytes, seed: int) -> bytes:
    """``data`` with a few bytes changed, removed, doubled or cut off."""
    rng, bad = Random(seed), bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(bad) + 1)
        match rng.randrange(4):
            case 0:
                bad[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del bad[place : place + rng.randint(1, 8)]
            case 2:
                bad[place:place] = bad[place : place + rng.randint(1, 40)]
            case _:
                bad = bad[: max(1, place)]
    return bytes(bad)


seeds = st.integers(0, 1 << 32)


# --- the wire -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
@FUZZ
@given(data=st.binary(max_size=200), seed=seeds)
def test_frame_is_canonical_or_malformed(kind: Any, data: bytes, seed: int) -> None:  # noqa: ANN401
    for frame in (data, damaged(FRAMES[kind], seed)):
        try:
            value = decode(frame, kind)
        except Malformed:
            continue
        assert encode(value) == frame


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
def test_frame_decodes_to_what_was_encoded(kind: Any) -> None:  # noqa: ANN401
    assert encode(decode(FRAMES[kind], kind)) == FRAMES[kind]


@pytest.mark.parametrize(
    "frame",
    [
        b"\x91" * 100_000,
        b"\x81\xa1a" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc7\x01\x05\x00",
        bytes(MAX_FRAME_BYTES + 1),
    ],
    ids=["deep list", "deep map", "huge list", "huge map", "huge bytes", "extension", "too long"],
)
@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
def test_frame_made_to_hurt_is_malformed(kind: Any, frame: bytes) -> None:  # noqa: ANN401
    with pytest.raises(Malformed):
        decode(frame, kind)


# --- files ----------------------------------------------------------------------------------------

Reader = Callable[[Path], object]


def _files() -> dict[str, tuple[Reader, bytes]]:
    genesis = json.dumps(json.loads(msgspec.json.encode(COURT.genesis)), indent=1).encode()
    rules = "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in part.items())
        for name, part in msgspec.to_builtins(Rules()).items()
    )
    return {
        "genesis.json": (genesis_file.read, genesis),
        "keys.json": (read_keys, b"[" + genesis + b"]"),
        "policy.toml": (read_rules, rules.encode()),
        "fleet.toml": (read_manifest, SHOP.read_bytes()),
        "endpoints.json": (read_endpoints, msgspec.json.encode(ENDPOINTS)),
        "certificate.json": (read_any, msgspec.json.encode(CERTIFICATE)),
        "ledger.jsonl": (read_any, "".join(lines_of(COURT.genesis, [ENTRY], None)).encode()),
    }


FILES = _files()


@pytest.mark.parametrize("name", FILES)
def test_good_file_is_read(tmp_path: Path, name: str) -> None:
    read, good = FILES[name]
    path = tmp_path / name
    path.write_bytes(good)

    assert read(path) is not None


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.binary(max_size=80) | st.text(max_size=80).map(str.encode), seed=seeds)
def test_file_is_read_or_malformed_and_named(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, seed: int
) -> None:
    read, good = FILES[name]
    path = tmp_path_factory.getbasetemp() / name
    for content in (data, damaged(good, seed)):
        path.write_bytes(content)
        message = ""
        try:
            read(path)
        except Malformed as error:
            message = str(error)
        assert not message or (str(path) in message and "\n" not in message)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"[" * 100_000, b"a = " + b"[" * 100_000, b'{"a":' * 100_000, b"\0", b"a=1"],
    ids=["no text", "deep list", "deep array", "deep object", "zero", "something else"],
)
def test_file_made_to_hurt_is_malformed_and_named(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(Malformed, match=name):
        FILES[name][0](path)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed, match=name):
        FILES[name][0](tmp_path / name)
    with pytest.raises(Malformed, match=str(tmp_path)):
        FILES[name][0](tmp_path)


@given(
    st.builds(
        Rules,
        spans=st.builds(
            type(Rules().spans), auto_ms=st.integers(100, 10**6), undo_ms=st.integers(100, 10**6)
        ),
        limits=st.builds(type(Rules().limits), attempts=st.integers(1, 1_000)),
    )
)
@FUZZ
def test_rules_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rules: Rules
) -> None:
    path = tmp_path_factory.getbasetemp() / "rules.toml"

    write_rules(rules, path)

    assert read_rules(path) == rules


# --- what is well formed and makes no sense ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("policy.toml", 'low = "auto"', 'low = "always"', "modes are observe, ask and auto"),
        ("policy.toml", "attempts = 4", "attempts = 0", "attempts"),
        ("policy.toml", "attempts = 4", "attempts = 1" + "0" * 30, "attempts"),
        ("policy.toml", "auto_ms = 60000", "auto_ms = -1", "auto_ms"),
        ("policy.toml", "[limits]", "[limit]", "limit"),
        ("fleet.toml", 'name = "cart"', 'name = "catalog"', "'catalog' is listed twice"),
        ("fleet.toml", 'name = "cart"', 'name = "../cart"', "name"),
        ("fleet.toml", 'name = "cart"', 'name = "cart\\n"', "name"),
        ("fleet.toml", 'callee = "cart"', 'callee = "basket"', "no service of the fleet"),
        ("fleet.toml", 'protocol = "tcp"', 'protocol = "udp"', "'udp'"),
        ("fleet.toml", 'kind = "redis"', 'kind = "rediss"', "kinds are"),
        ("fleet.toml", "availability_permille = 990", "availability_permille = 0", "permille"),
        ("genesis.json", '"n": 5', '"n": 6', "n is 6 but 5 agents are listed"),
        ("genesis.json", '"f": 1', '"f": 2', "cannot stay live"),
        ("genesis.json", '"diagnosis-1"', '"detection-1"', "'detection-1' is named twice"),
        ("genesis.json", '"alice"', '"actuator"', "'actuator' is named twice"),
    ],
)
def test_nonsense_is_refused_with_its_reason(
    tmp_path: Path, name: str, old: str, new: str, reason: str
) -> None:
    read, good = FILES[name]
    path = tmp_path / name
    text = good.decode()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(Malformed, match=rf"{name}: .*{reason}"):
        read(path)


@pytest.mark.parametrize("number", [-1, 1 << 63, -(1 << 63), (1 << 64) - 1])
def test_export_with_an_impossible_number_is_malformed(tmp_path: Path, number: int) -> None:
    path = tmp_path / "ledger.jsonl"
    good = "".join(lines_of(COURT.genesis, [ENTRY], None))
    entry = base64.b64encode(encode(msgspec.structs.replace(ENTRY, sequence_number=number)))
    fields = {**json.loads(good.splitlines()[1]), "entry": entry.decode()}
    path.write_text(good.splitlines()[0] + "\n" + json.dumps(fields) + "\n")

    with pytest.raises(Malformed, match=r"ledger\.jsonl"):
        read_any(path)


def test_two_agents_with_one_key_are_refused(tmp_path: Path) -> None:
    first, second, *others = COURT.genesis.agents
    twin = msgspec.structs.replace(second, public_key=first.public_key)
    genesis = msgspec.structs.replace(COURT.genesis, agents=(first, twin, *others))
    genesis_file.write(genesis, tmp_path / "genesis.json")

    with pytest.raises(Malformed, match="two share a key"):
        genesis_file.read(tmp_path / "genesis.json")
