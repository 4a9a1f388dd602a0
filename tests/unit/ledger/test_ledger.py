"""A ledger keeps what was agreed, and whoever tampers with it or its export is found out."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.codec import Malformed
from engine.consensus.certificate import Seal, Unproven
from engine.consensus.digests import chain_after
from engine.consensus.messages import Status
from engine.ledger.export import Export, lines_of, parse_export, read_export, write_export
from engine.ledger.sqlite import LedgerDamaged, SqliteLedger, open_ledger
from engine.ledger.verify import Report, verify_ledger
from engine.vocabulary import AuthorId, Entry
from tests.unit.consensus.speaking import Speaker


class Written:
    """Five entries, the third a null batch, and the seal at their head."""

    def __init__(self, name: str = "sim") -> None:
        self.speaker = it = Speaker(name=name)
        self.genesis = it.genesis
        batches = [(it.members.submission(n),) if n != 3 else () for n in range(1, 6)]
        self.entries = [it.entry(n, *batch) for n, batch in enumerate(batches, 1)]
        self.seal = self.seal_over(self.entries)

    def chain_over(self, entries: Sequence[Entry]) -> bytes:
        chain: bytes = self.genesis.cluster
        for entry in entries:
            chain = chain_after(chain, entry, self.genesis.cluster, self.genesis.epoch)
        return chain

    def seal_over(self, entries: Sequence[Entry], voters: int = 4) -> Seal:
        chain = self.chain_over(entries)
        statuses = (
            Status(*self.speaker.head, by, 0, True, len(entries), chain, 0) for by in range(voters)
        )
        return Seal(len(entries), chain, tuple(map(self.speaker.sign, statuses)))

    def export(self, entries: Sequence[Entry], seal: Seal | None) -> str:
        return "".join(lines_of(self.genesis, entries, seal))

    def verify(self, export: Export, trusted: dict[AuthorId, bytes] | None = None) -> Report:
        keys = self.genesis.author_keys() if trusted is None else trusted
        genesis, entries, seal = export
        verifier = self.speaker.members.verifier
        return verify_ledger(genesis, entries, seal, keys, verifier)


@pytest.fixture
def written() -> Written:
    return Written()


def test_what_was_appended_is_there_again_with_its_stamps(written: Written, tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger", written.genesis)
    ledger.append(written.entries[:1], received_ns=1)
    ledger.append(written.entries[1:], received_ns=2)
    ledger.keep_seal(written.seal)
    ledger.close()

    again = open_ledger(tmp_path / "ledger")

    assert again.head == (5, written.chain_over(written.entries))
    assert list(again.read_all()) == written.entries
    assert again.read(2, 2) == written.entries[1:3]
    assert all(stamp > 0 for _, stamp in again.read_stamped())
    assert again.seal == written.seal
    assert again.genesis == written.genesis


def test_only_the_next_entry_can_be_appended(written: Written, tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger", written.genesis)
    assert ledger.head == (0, written.genesis.cluster)
    for entry in (written.entries[1], written.entries[4]):
        with pytest.raises(ValueError, match="cannot follow 0"):
            ledger.append((entry,), 0)
    with pytest.raises(ValueError, match="entry 3 cannot follow 1"):
        ledger.append((written.entries[0], written.entries[2]), 0)

    assert ledger.head == (0, written.genesis.cluster)
    assert list(ledger.read_all()) == []


TAMPERING = {
    "a changed entry": "UPDATE entries SET entry=(SELECT entry FROM entries WHERE sequence_number"
    "=4) WHERE sequence_number=5",
    "a changed chain": "UPDATE entries SET chain=zeroblob(32) WHERE sequence_number=5",
    "a missing entry": "DELETE FROM entries WHERE sequence_number=2",
    "a garbled entry": "UPDATE entries SET entry=x'00ff' WHERE sequence_number=5",
    "another genesis": "UPDATE meta SET value=x'80' WHERE name='genesis'",
}


@pytest.mark.parametrize("how", TAMPERING)
def test_a_tampered_file_is_one_clear_error(written: Written, tmp_path: Path, how: str) -> None:
    path = tmp_path / "ledger"
    ledger = SqliteLedger(path, written.genesis)
    ledger.append(written.entries, 0)
    ledger.close()
    with sqlite3.connect(path) as database:
        database.execute(TAMPERING[how])

    with pytest.raises(LedgerDamaged, match=f"{path}: this ledger cannot be used"):
        SqliteLedger(path, written.genesis)


def test_a_torn_or_missing_file_is_one_clear_error(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    with pytest.raises(LedgerDamaged, match="cannot be used"):
        SqliteLedger(path, written.genesis)
    with pytest.raises(LedgerDamaged, match="no ledger"):
        open_ledger(path)
    with pytest.raises(LedgerDamaged, match="no ledger here"):
        open_ledger(tmp_path / "nothing")


def test_an_export_is_the_same_bytes_each_time_and_verifies(
    written: Written, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        write_export(tmp_path / name, written.genesis, written.entries, written.seal)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    report = written.verify(read_export(tmp_path / "one"))
    assert report.sealed
    assert [number for number, _ in report.submissions] == [1, 2, 4, 5]


def _swapped(entries: Sequence[Entry]) -> list[Entry]:
    one, two, *rest = entries
    return [
        Entry(1, one.view, two.batch, one.commits),
        Entry(2, two.view, one.batch, two.commits),
        *rest,
    ]


def _with_pasted(it: Written) -> list[Entry]:
    foreign = Written("other").entries[1]
    pasted = Entry(2, 0, it.entries[1].batch, foreign.commits)
    return [it.entries[0], pasted, *it.entries[2:]]


def _lies(it: Written) -> dict[str, tuple[list[Entry], Seal | None, str]]:
    submission = it.speaker.members.submission(77)
    changed = Entry(2, 0, (submission,), it.entries[1].commits)
    replaced = [it.entries[0], changed, *it.entries[2:]]
    few = [*it.entries[:4], it.speaker.entry(5, submission, voters=3)]
    return {
        "a batch replaced": (replaced, it.seal_over(replaced), "entry 2"),
        "two batches swapped": (_swapped(it.entries), it.seal, "entry 1"),
        "the tail cut": (it.entries[:4], it.seal, "entries are missing"),
        "the tail cut and the seal with it": (it.entries[:4], None, "no seal at 4"),
        "the head cut": (it.entries[1:], it.seal, "stands where 1 is due"),
        "one left out": ([*it.entries[:2], *it.entries[3:]], it.seal, "where 3 is due"),
        "one twice": ([*it.entries[:2], *it.entries[1:]], it.seal, "where 3 is due"),
        "too few votes": (few, it.seal_over(few), "3 replicas committed it, 4 are needed"),
        "another cluster's certificate": (_with_pasted(it), it.seal, "another cluster"),
        "a seal without a quorum": (it.entries, it.seal_over(it.entries, voters=3), "no quorum"),
    }


@pytest.mark.parametrize("lie", _lies(Written()))
def test_a_ledger_that_lies_is_refused_though_its_chain_was_recomputed(
    written: Written, lie: str
) -> None:
    entries, seal, why = _lies(written)[lie]

    export = parse_export(written.export(entries, seal))

    with pytest.raises(Unproven, match=why):
        written.verify(export)


def test_a_batch_that_its_author_never_signed_is_refused(written: Written) -> None:
    forged = written.speaker.members.submission(9)[:-1] + b"?"
    entries = [written.speaker.entry(1, forged)]

    with pytest.raises(Unproven, match="entry 1: signature of the submission does not fit"):
        written.verify(parse_export(written.export(entries, written.seal_over(entries))))


def test_every_changed_character_is_noticed(written: Written) -> None:
    text = written.export(written.entries[:2], written.seal_over(written.entries[:2]))

    for at in range(0, len(text), 7):
        other = "B" if text[at] != "B" else "C"
        with pytest.raises((Malformed, Unproven)):
            written.verify(parse_export(text[:at] + other + text[at + 1 :]))


def test_a_key_that_is_not_the_trusted_one_is_refused(written: Written) -> None:
    export = parse_export(written.export(written.entries, written.seal))
    keys = written.genesis.author_keys()

    with pytest.raises(Unproven, match="agent-2 has another key"):
        written.verify(export, {**keys, AuthorId("agent-2"): bytes(32)})
    with pytest.raises(Unproven, match="the key of operator is not among the trusted"):
        written.verify(export, {k: v for k, v in keys.items() if k != "operator"})


def test_a_whole_ledger_of_another_cluster_is_refused(written: Written) -> None:
    other = Written("other")

    with pytest.raises(Unproven, match="another key"):
        written.verify(parse_export(other.export(other.entries, other.seal)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: the genesis is missing"),
        ("{", "line 1"),
        ('{"entry":"AA=="}', "line 1: no genesis"),
        ('{"genesis":"%"}', "line 1: the genesis is damaged"),
    ],
)
def test_what_is_no_export_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse_export(text)


def test_nothing_may_follow_the_seal(written: Written) -> None:
    text = written.export(written.entries, written.seal)
    with pytest.raises(Malformed, match="line 8: nothing may follow"):
        parse_export(text + text.splitlines()[1])
