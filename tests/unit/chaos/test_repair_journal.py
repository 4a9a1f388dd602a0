"""Which keys were used survives a crash, half lines and all."""

from pathlib import Path

from chaos.fleet.repairs import JournalLine, RepairJournal
from engine.ports import ActionKey, Report
from engine.vocabulary import Generation, OutcomeKind, RestartService, ServiceName

ACTION = RestartService(ServiceName("payments"), Generation(1, 2, "1.0.0"))
FIRST = ActionKey(b"c" * 32, 0)
SECOND = ActionKey(b"c" * 32, 1)


def test_an_intent_without_an_outcome_is_still_an_intent_after_a_crash(tmp_path: Path) -> None:
    RepairJournal(tmp_path / "j").write(JournalLine(FIRST, ACTION))

    assert RepairJournal(tmp_path / "j").find(FIRST) == JournalLine(FIRST, ACTION)
    assert RepairJournal(tmp_path / "j").find(SECOND) is None


def test_an_outcome_replaces_its_intent(tmp_path: Path) -> None:
    journal = RepairJournal(tmp_path / "j")
    done = JournalLine(FIRST, ACTION, Report(OutcomeKind.DONE))
    journal.write(JournalLine(FIRST, ACTION))
    journal.write(done)

    assert RepairJournal(tmp_path / "j").find(FIRST) == done


def test_a_torn_outcome_leaves_the_intent_and_the_next_line_whole(tmp_path: Path) -> None:
    path = tmp_path / "j"
    RepairJournal(path).write(JournalLine(FIRST, ACTION))
    path.write_bytes(path.read_bytes() + b'{"key":{"certifi')

    journal = RepairJournal(path)
    journal.write(JournalLine(SECOND, ACTION))

    again = RepairJournal(path)
    assert again.find(FIRST) == JournalLine(FIRST, ACTION)
    assert again.find(SECOND) == JournalLine(SECOND, ACTION)
