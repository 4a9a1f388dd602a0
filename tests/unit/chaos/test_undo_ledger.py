"""The undo ledger survives what a crash leaves behind."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.fault import KillService, Mark
from chaos.faults.undo import State, UndoEntry, UndoLedger, newest
from engine.vocabulary import Generation

FAULT = KillService("payments")
MARK = Mark(Generation(7, 8, "1.0.0"))


def entry(fault_id: str, state: State) -> UndoEntry:
    return UndoEntry(fault_id, FAULT, MARK, state)


def test_a_fault_is_open_from_before_it_is_in_until_it_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "undo.jsonl"
    ledger = UndoLedger(path)
    open_after = []
    for state in State:
        ledger.write(entry("a", state))
        open_after.append([open_entry.id for open_entry in UndoLedger(path).open_entries()])

    assert open_after == [["a"], ["a"], []]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_last_line_is_dropped_and_what_follows_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "undo.jsonl"
    UndoLedger(path).write(entry("a", State.INJECTED))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])

    ledger = UndoLedger(path)
    ledger.write(entry("b", State.INJECTING))

    assert [found.id for found in UndoLedger(path).open_entries()] == ["a", "b"]


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_damage_hides_an_open_fault_that_stands_on_a_line_of_its_own(
    garbage: bytes, length: int
) -> None:
    import msgspec

    line = msgspec.json.encode(entry("a", State.INJECTED)) + b"\n"

    found = newest(garbage + b"\n" + line + line[: min(length, len(line) - 1)])

    assert found["a"].state is State.INJECTED
