"""An operator's commands: signed where he sits, naming exactly what he saw."""

from pathlib import Path

import pytest

from engine import genesis as constitution
from engine.codec import NO_DIGEST, decode
from engine.genesis import Genesis, Member
from engine.signing import Domain, Ed25519Signer, Ed25519Verifier, KeyFileError
from engine.stream.commands import Operator, Shown
from engine.stream.wire import Command
from engine.vocabulary import (
    AgentId,
    Approved,
    AuthorId,
    Digest,
    Frozen,
    IncidentKey,
    Noted,
    Operation,
    Refused,
    Role,
    Signed,
    Submission,
    TakenOver,
    Thawed,
    UndoRequested,
)

SIGNER = Ed25519Signer.from_seed(b"o" * 32)
CLUSTER = Digest(b"c" * 32)
PLAN = "ab" * 32
SHOWN = Shown(IncidentKey("shop/checkout#1"), 4, PLAN, 50_000)


def _operator() -> Operator:
    return Operator(AuthorId("anna"), SIGNER, CLUSTER, 1)


def _opened(command: Command) -> Operation:
    """The one operation inside, after checking everything around it."""
    signed = decode(command.payload, Signed)
    assert Ed25519Verifier().verify(
        SIGNER.public_key, Domain.SUBMISSION, signed.payload, signed.signature
    )
    submission = decode(signed.payload, Submission)
    assert (submission.cluster, submission.epoch, submission.author) == (CLUSTER, 1, "anna")
    assert command.id == f"anna-{submission.counter}"
    (operation,) = submission.operations
    return operation


def test_an_approval_names_incident_version_plan_and_expiry() -> None:
    approved = _opened(_operator().approve(SHOWN, 10_000))

    plan = Digest(bytes.fromhex(PLAN))
    assert isinstance(approved, Approved)
    assert (approved.incident, approved.version, approved.plan) == (SHOWN.incident, 4, plan)
    assert approved.not_after_ms == 50_000


def test_each_command_is_what_it_is_called() -> None:
    operator = _operator()

    assert isinstance(_opened(operator.refuse(SHOWN, 1)), Refused)
    assert isinstance(_opened(operator.undo(SHOWN, 1)), UndoRequested)
    assert isinstance(_opened(operator.take_over(SHOWN, 1)), TakenOver)
    assert isinstance(_opened(operator.freeze(1)), Frozen)
    assert isinstance(_opened(operator.thaw(1)), Thawed)
    noted = _opened(operator.note(SHOWN.incident, "looking", 1))
    assert isinstance(noted, Noted)
    assert noted.text == "looking"


@pytest.mark.parametrize("text", ["", "x" * 241])
def test_a_note_has_its_limits(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 240"):
        _operator().note(SHOWN.incident, text, 1)


def test_numbers_rise_even_when_the_clock_stands_or_goes_back() -> None:
    operator = _operator()
    counters = [
        decode(decode(operator.freeze(now).payload, Signed).payload, Submission).counter
        for now in (5000, 5000, 4000, 9000)
    ]

    assert counters == [5000, 5001, 5002, 9000]


def test_the_operator_is_whom_genesis_knows_by_his_key(tmp_path: Path) -> None:
    key = Ed25519Signer.load_or_create(tmp_path / "operator.key")
    members = tuple(
        Member(AgentId(AuthorId(f"a-{i}")), Role.DETECTION, bytes([i]) * 32) for i in range(5)
    )
    genesis = Genesis(
        "shop",
        b"n" * 32,
        1,
        5,
        1,
        members,
        {AuthorId("bert"): b"b" * 32, AuthorId("anna"): key.public_key},
        b"a" * 32,
        b"",
        NO_DIGEST,
        NO_DIGEST,
        NO_DIGEST,
    )
    constitution.write(genesis, tmp_path / "genesis.json")
    assert Operator.load(tmp_path / "operator.key", tmp_path / "genesis.json").name == "anna"

    Ed25519Signer.load_or_create(tmp_path / "stranger.key")
    with pytest.raises(KeyFileError, match="knows no operator with this key"):
        Operator.load(tmp_path / "stranger.key", tmp_path / "genesis.json")
