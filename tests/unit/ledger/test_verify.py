"""``main.py verify``: what holds is said, and whatever was tampered with is found out."""

import base64
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import main
from engine import genesis as genesis_file
from engine.certificate import sign_body
from engine.codec import encode
from engine.consensus.evidence import Evidence
from engine.consensus.messages import Commit
from engine.genesis import ACTUATOR
from engine.ledger.export import lines_of
from engine.ledger.reading import write_proof
from engine.policy import Rules, write_rules
from engine.signing import Domain
from engine.vocabulary import (
    Acted,
    Certificate,
    Digest,
    Entry,
    OutcomeKind,
    Signed,
    Submission,
    Undone,
)
from tests.court import AGENTS, DETECTION, Court, restart, roll_back, signer_of
from tests.unit.ledger.notary import Notary


def a_mended_incident() -> Court:
    court = Court(probe=True)
    court.run_to_acted(roll_back())
    court.worsen()
    court.say(ACTUATOR, Undone(court.certificate_name, 0, OutcomeKind.DONE))
    court.run_to_acted(restart())
    court.recover()
    court.probe_says(green=True, held_ms=6_000)
    return court


@pytest.fixture
def notary(tmp_path: Path) -> Notary:
    return Notary(a_mended_incident(), tmp_path / "run")


class Answer:
    """What the command said, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.lines = out.splitlines()
        self.err = err

    @property
    def finding(self) -> str:
        """The one line that says what is false."""
        false = [line for line in self.lines if line.startswith("FALSE ")]
        assert (self.code, len(false)) == (1, 1), self.lines
        assert self.err.count("\n") == 1
        assert "does not verify" in self.err
        return false[0]


Ask = Callable[..., Answer]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], notary: Notary) -> Ask:
    def asked(path: Path, *options: str, trust: Path | None = notary.keys) -> Answer:
        keys = [] if trust is None else ["--trust", str(trust)]
        code = main.main(["verify", *keys, *options, str(path)])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return asked


# --- what holds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["export", "database"])
def test_whole_ledger_verifies_and_says_what_was_found(notary: Notary, ask: Ask, form: str) -> None:
    answer = ask(getattr(notary, form)())

    text = "\n".join(answer.lines)
    assert answer.code == 0, text
    assert f"its keys are in {notary.keys}" in text
    assert f"{len(notary.entries)} entries, each committed by a quorum" in text
    assert "1 incidents, 2 certificates" in text
    assert "3 reports of the actuator" in text


def test_verifying_a_database_leaves_it_as_it_is(notary: Notary, ask: Ask) -> None:
    path = notary.database()
    before = path.read_bytes()

    ask(path)

    assert path.read_bytes() == before


def test_pinned_keys_are_used_and_named(
    notary: Notary, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state" / "incident-commander" / "trust"
    folder.mkdir(parents=True)
    genesis_file.write(notary.genesis, folder / f"{notary.genesis.cluster.hex()}.json")

    answer = ask(notary.export(), trust=None)

    assert answer.code == 0
    assert f"pinned on this machine in {folder}" in answer.lines[0]


def test_without_any_keys_it_says_what_to_do(
    notary: Notary, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    assert "name those to trust with --trust KEYS" in ask(notary.export(), trust=None).finding


def test_list_of_keys_may_hold_other_clusters(notary: Notary, ask: Ask) -> None:
    keys = notary.keys_beside(Court(name="other").genesis)

    assert ask(notary.export(), trust=keys).code == 0


def test_certificate_verifies_alone(notary: Notary, ask: Ask, tmp_path: Path) -> None:
    certificate = first_certificate(notary)
    readable, canonical = tmp_path / "certificate.json", tmp_path / "certificate"
    write_proof(certificate, readable)
    canonical.write_bytes(encode(certificate))

    for path in (readable, canonical):
        answer = ask(path)
        assert answer.code == 0
        assert "shop/checkout#1, attempt 1" in answer.lines[-1]


def test_evidence_verifies_alone(notary: Notary, ask: Ask, tmp_path: Path) -> None:
    head = (notary.genesis.cluster, 0)
    frames = sorted(notary.sign(0, Commit(*head, 0, 0, 1, bytes([byte]) * 32)) for byte in (1, 2))
    path = tmp_path / "evidence"

    answers = []
    for first, second in (frames, frames[::-1]):
        path.write_bytes(encode(Evidence(DETECTION, "double-commit", first, second)))
        answers.append(ask(path))

    (good,) = (answer for answer in answers if answer.code == 0)
    assert f"{DETECTION} of cluster" in good.lines[0]


def first_certificate(notary: Notary) -> Certificate:
    certificate = notary.court.incident.attempts[0].certificate
    assert certificate is not None
    return certificate


# --- attacks on the log ---------------------------------------------------------------------------


def with_batch(entry: Entry, *batch: bytes) -> Entry:
    return msgspec.structs.replace(entry, batch=batch)


@pytest.mark.parametrize("place", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_changed_byte_in_an_export_is_found(notary: Notary, ask: Ask, place: float) -> None:
    path = notary.export()
    lines = path.read_text().splitlines()
    fields = json.loads(lines[3])
    data = bytearray(base64.b64decode(fields["entry"]))
    data[int((len(data) - 1) * place)] ^= 1
    fields["entry"] = base64.b64encode(data).decode()
    lines[3] = json.dumps(fields, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")

    # The third entry, in the fourth line.
    finding = ask(path).finding
    assert "line 4" in finding or "entry 3" in finding


@pytest.mark.parametrize("column", ["entry", "chain"])
def test_changed_byte_in_a_database_is_found(notary: Notary, ask: Ask, column: str) -> None:
    path = notary.database()
    with sqlite3.connect(path) as database:
        (blob,) = database.execute(
            f"SELECT {column} FROM entries WHERE sequence_number=3"
        ).fetchone()
        changed = bytearray(blob)
        changed[len(changed) // 2] ^= 1
        database.execute(
            f"UPDATE entries SET {column}=? WHERE sequence_number=3", (bytes(changed),)
        )

    assert "entry 3" in ask(path).finding


def test_recomputed_chain_does_not_hide_a_change(notary: Notary, ask: Ask) -> None:
    entries = list(notary.entries)
    entries[2] = with_batch(entries[2], *entries[5].batch)

    # ``export`` writes the chain that the changed entries make.
    assert (
        "entry 3: a commit vote is no COMMIT for this batch" in ask(notary.export(entries)).finding
    )


def test_swapped_batches_are_found(notary: Notary, ask: Ask) -> None:
    entries = list(notary.entries)
    third, fourth = entries[2], entries[3]
    entries[2:4] = [with_batch(third, *fourth.batch), with_batch(fourth, *third.batch)]

    assert "entry 3: a commit vote" in ask(notary.export(entries)).finding


def test_missing_end_is_found(notary: Notary, ask: Ask) -> None:
    assert "entries are missing" in ask(notary.export(notary.entries[:-1])).finding


def test_missing_end_is_found_without_the_seal_too(notary: Notary, ask: Ask) -> None:
    path = notary.export()
    path.write_text("".join(lines_of(notary.genesis, notary.entries[:-1], None)))

    assert "no seal at" in ask(path).finding
    accepted = ask(path, "--unsealed")
    assert accepted.code == 0
    assert "its end is NOT sealed" in "\n".join(accepted.lines)


def test_seal_of_too_few_is_found(notary: Notary, ask: Ask) -> None:
    entries = notary.entries[:-1]

    assert (
        "no quorum of 4 signed the seal"
        in ask(notary.export(entries, notary.seal(entries, voters=3))).finding
    )


def test_missing_beginning_is_found(notary: Notary, ask: Ask) -> None:
    assert "entry 2 stands where 1 is due" in ask(notary.export(notary.entries[1:])).finding


def test_entry_committed_by_too_few_is_found(notary: Notary, ask: Ask) -> None:
    entries = list(notary.entries)
    entries[4] = notary.entry(5, *entries[4].batch, voters=3)

    assert "entry 5: 3 replicas committed it, 4 are needed" in ask(notary.export(entries)).finding


def test_replaced_key_is_found(notary: Notary, ask: Ask) -> None:
    first = notary.genesis.agents[0]
    forged = msgspec.structs.replace(first, public_key=signer_of(DETECTION, "mallory's").public_key)
    notary.genesis = msgspec.structs.replace(
        notary.genesis, agents=(forged, *notary.genesis.agents[1:])
    )

    assert "a key was replaced, or it is another cluster's" in ask(notary.export()).finding


def test_another_clusters_ledger_is_not_ours(notary: Notary, ask: Ask, tmp_path: Path) -> None:
    other = Notary(Court(name="other"), tmp_path / "other")

    assert "is none of the 1 whose keys" in ask(other.export()).finding


# --- attacks on the law ---------------------------------------------------------------------------


def resigned(notary: Notary, *said: Submission) -> Path:
    """The ledger with more at its end, all of it ordered and sealed as it should be."""
    for submission in said:
        payload = encode(submission)
        signer = signer_of(submission.author, notary.court.name)
        frame = encode(Signed(payload, signer.sign(Domain.SUBMISSION, payload)))
        notary.entries.append(notary.entry(len(notary.entries) + 1, frame))
    return notary.export()


def report(notary: Notary, operation: Acted | Undone) -> Submission:
    return Submission(notary.genesis.cluster, 0, ACTUATOR, 10_000, (operation,))


def test_action_without_a_certificate_is_found(notary: Notary, ask: Ask) -> None:
    path = resigned(notary, report(notary, Acted(Digest(bytes(32)), 0, OutcomeKind.DONE)))

    assert "no complete certificate has that name" in ask(path).finding


def test_action_before_its_certificate_was_complete_is_found(tmp_path: Path, ask: Ask) -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify(*AGENTS[:3])
    court.act()
    court.certify(AGENTS[3])
    other = Notary(court, tmp_path / "early")

    assert "no complete certificate has that name" in ask(other.export(), trust=other.keys).finding


def test_undo_that_nobody_ordered_is_found(tmp_path: Path, ask: Ask) -> None:
    court = Court()
    court.run_to_acted(roll_back())
    court.say(ACTUATOR, Undone(court.certificate_name, 0, OutcomeKind.DONE))
    other = Notary(court, tmp_path / "undone")

    assert "nobody had ordered that" in ask(other.export(), trust=other.keys).finding


@pytest.mark.parametrize("name", ["policy.toml", "fleet.toml"])
def test_missing_constitution_is_named(notary: Notary, ask: Ask, name: str) -> None:
    path = notary.export()
    (notary.folder / name).unlink()

    assert "no policy.toml and fleet.toml beside the ledger" in ask(path).finding


def test_another_policy_is_found(notary: Notary, ask: Ask) -> None:
    path = notary.export()
    write_rules(Rules(), notary.folder / "policy.toml")

    assert "policy.toml: not what the genesis pins" in ask(path).finding


# --- attacks on a certificate ---------------------------------------------------------------------


def test_another_clusters_certificate_is_found(notary: Notary, ask: Ask, tmp_path: Path) -> None:
    other = Court(name="other")
    other.run_to_acted(roll_back())
    certificate = other.incident.attempts[0].certificate
    assert certificate is not None
    pasted = msgspec.structs.replace(
        certificate,
        body=msgspec.structs.replace(certificate.body, cluster=notary.genesis.cluster),
    )
    path = tmp_path / "certificate.json"

    write_proof(certificate, path)
    assert "another cluster's" in ask(path).finding
    write_proof(pasted, path)
    assert "was made under" in ask(path).finding or "valid signatures" in ask(path).finding


def test_certificate_for_another_plan_is_found(notary: Notary, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    write_proof(msgspec.structs.replace(first_certificate(notary), plan=restart()), path)

    assert "does not name this plan" in ask(path).finding


def test_certificate_with_too_few_signatures_is_found(
    notary: Notary, ask: Ask, tmp_path: Path
) -> None:
    certificate = first_certificate(notary)
    few = {agent: sign_body(certificate.body, signer_of(agent)) for agent in AGENTS[:3]}
    path = tmp_path / "certificate.json"
    write_proof(msgspec.structs.replace(certificate, signatures=few), path)

    assert "has 3 valid signatures; the quorum is 4" in ask(path).finding


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\x80", b"[]", b"SQLite format 3\0", b'{"genesis":1}', b"\xff" * 64]
)
def test_file_that_is_nothing_is_named(ask: Ask, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "what.bin"
    path.write_bytes(data)

    assert str(path) in ask(path).finding
    assert str(tmp_path / "missing") in ask(tmp_path / "missing").finding
