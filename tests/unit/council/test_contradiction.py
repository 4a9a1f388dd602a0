"""Two different answers of one agent to one proposal are proof that anyone can check offline."""

from pathlib import Path

import msgspec
import pytest

from engine import genesis as genesis_file
from engine.cli.verify import Failed, verify
from engine.codec import encode
from engine.consensus.committee import Committee
from engine.consensus.evidence import Evidence, contradicts
from engine.council.contradiction import DOUBLE_ASSESSMENT, Memory, contradiction
from engine.ledger.reading import read_any, write_proof
from engine.ledger.replay import Replay
from engine.proof import convicts, evidence_of, is_proof
from engine.vocabulary import Assessed, AuthorId, Convicted, Digest, Entry, Submission, Verdict
from tests.court import CHECKOUT, COMMUNICATION, DETECTION, OPERATOR, VERIFIER, Court

PROPOSAL, ANOTHER = Digest(bytes([1] * 32)), Digest(bytes([2] * 32))
YES = Assessed(CHECKOUT, PROPOSAL, Verdict.ACCEPT, 900)
NO = Assessed(CHECKOUT, PROPOSAL, Verdict.REJECT, 900)
WARMER = Assessed(CHECKOUT, PROPOSAL, Verdict.ACCEPT, 901)
OTHERWISE = Assessed(CHECKOUT, ANOTHER, Verdict.REJECT, 900)


def two(court: Court, one: Assessed, other: Assessed) -> tuple[Submission, Submission]:
    return court.sign(COMMUNICATION, one)[0], court.sign(COMMUNICATION, other)[0]


@pytest.mark.parametrize("other", [NO, WARMER])
def test_a_second_different_answer_to_one_proposal_is_a_contradiction(other: Assessed) -> None:
    assert contradiction(*two(Court(), YES, other)) == DOUBLE_ASSESSMENT


@pytest.mark.parametrize("other", [YES, OTHERWISE])
def test_the_same_answer_again_and_an_answer_to_another_are_none(other: Assessed) -> None:
    assert contradiction(*two(Court(), YES, other)) == ""


def test_different_agents_may_differ() -> None:
    court = Court()

    assert contradiction(court.sign(COMMUNICATION, YES)[0], court.sign(DETECTION, NO)[0]) == ""


def test_both_answers_in_one_submission_are_a_contradiction() -> None:
    court = Court()
    submission, signed = court.sign(COMMUNICATION, YES, NO)

    proof = Memory().hear(submission, signed)

    assert proof == Convicted(COMMUNICATION, DOUBLE_ASSESSMENT, signed, signed)
    assert proof is not None
    assert convicts(VERIFIER)(proof, [court.genesis])


def proof_in(court: Court) -> Convicted:
    memory = Memory()
    assert memory.hear(*court.sign(COMMUNICATION, YES)) is None
    assert memory.hear(*court.sign(DETECTION, NO)) is None
    assert memory.hear(*court.sign(COMMUNICATION, OTHERWISE)) is None
    proof = memory.hear(*court.sign(COMMUNICATION, NO))
    assert proof is not None
    return proof


def test_the_proof_convicts_in_the_council_of_anyone() -> None:
    court = Court()
    proof = proof_in(court)
    elsewhere = Court(convict=convicts(VERIFIER))

    elsewhere.say(DETECTION, proof)

    assert elsewhere.council.convicted == {COMMUNICATION}


def test_the_proof_is_a_file_that_the_verifier_accepts(tmp_path: Path) -> None:
    court = Court()
    evidence = evidence_of(proof_in(court))
    path, keys = tmp_path / "evidence.json", tmp_path / "genesis.json"
    genesis_file.write(court.genesis, keys)

    write_proof(evidence, path)

    assert read_any(path) == evidence
    (line,) = verify(path, keys)
    assert f"{COMMUNICATION} of cluster" in line
    assert DOUBLE_ASSESSMENT in line


def test_a_changed_proof_convicts_nobody(tmp_path: Path) -> None:
    court = Court()
    evidence = evidence_of(proof_in(court))
    same_twice = court.sign(COMMUNICATION, YES)[1]
    forged = evidence.second[:-1] + bytes([evidence.second[-1] ^ 1])
    keys = tmp_path / "genesis.json"
    genesis_file.write(court.genesis, keys)
    changes: tuple[dict[str, object], ...] = (
        {"culprit": DETECTION},
        {"kind": "double-commit"},
        {"kind": ""},
        {"second": forged},
        {"first": same_twice, "second": same_twice},
        {"first": evidence.second, "second": evidence.first},
        {"second": court.sign(DETECTION, NO)[1]},
        {"second": b"?"},
    )
    for number, change in enumerate(changes):
        path = tmp_path / f"{number}.json"
        changed: Evidence = msgspec.structs.replace(evidence, **change)
        write_proof(changed, path)
        with pytest.raises(Failed, match="convict nobody"):
            list(verify(path, keys))
        assert not is_proof(changed, [court.genesis], VERIFIER)


def test_an_operator_is_no_replica_to_convict() -> None:
    court = Court()
    first, second = (court.sign(OPERATOR, answer)[1] for answer in (YES, NO))
    committee = Committee(court.genesis, VERIFIER)

    assert contradicts(first, second, [committee], contradiction) is None


def test_a_log_with_two_answers_holds_its_own_proof() -> None:
    court = Court(convict=lambda *_: True)
    replay = Replay(court.council)
    batch = tuple(court.sign(COMMUNICATION, answer)[1] for answer in (YES, OTHERWISE, NO))

    replay.apply(Entry(1, 0, batch, ()))

    proof = replay.proofs[COMMUNICATION]
    assert proof.kind == DOUBLE_ASSESSMENT
    assert proof is not None
    assert convicts(VERIFIER)(proof, [court.genesis])


def test_a_conviction_in_the_log_is_kept_as_proof() -> None:
    court = Court(convict=lambda *_: True)
    replay = Replay(court.council)
    charge = Convicted(COMMUNICATION, "double-commit", b"1", b"2")

    replay.apply(Entry(1, 0, (court.sign(DETECTION, charge)[1],), ()))

    assert replay.proofs == {COMMUNICATION: charge}


def test_what_is_remembered_is_bounded() -> None:
    court = Court()
    memory = Memory()
    first = court.sign(COMMUNICATION, YES)
    memory.hear(*first)
    for number in range(300):
        digest = Digest(number.to_bytes(32, "big"))
        answer = Assessed(CHECKOUT, digest, Verdict.ACCEPT, 900)
        memory.hear(*court.sign(AuthorId(COMMUNICATION), answer))

    assert memory.hear(*court.sign(COMMUNICATION, NO)) is None
    assert encode(NO) != encode(YES)
