"""The journal: what a call returned has survived a SIGKILL at any later moment."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.act.journal import Journal, Progress
from engine.act.orders import Order
from engine.certificate import certificate_digest
from engine.codec import Malformed
from engine.ports import ActionKey, Report
from engine.vocabulary import OutcomeKind
from tests.court import Court, restart
from tests.unit.act.hands import FIRST, certify

DIE_AFTER = """
import os, signal, sys
from pathlib import Path
from engine.act.journal import Journal
from engine.ports import Report
from engine.vocabulary import OutcomeKind
from tests.unit.act.test_journal import KEY, ORDER, walk
journal = Journal(Path(sys.argv[1]))
for step in walk(journal)[: int(sys.argv[2])]:
    step()
os.kill(os.getpid(), signal.SIGKILL)
"""

CERTIFICATE = certify(Court(), restart())
ORDER = Order(CERTIFICATE)
KEY = ActionKey(certificate_digest(CERTIFICATE.body), 0)
DONE = Report(OutcomeKind.DONE, FIRST, "new run")


def walk(journal: Journal) -> list[Callable[[], object]]:
    """The steps in the life of an action, in order."""
    return [
        lambda: journal.intend(KEY, ORDER, 1, 1),
        lambda: journal.finish(KEY, DONE, 2),
        lambda: journal.reported(KEY),
        lambda: journal.freeze(7, b"word"),
        lambda: journal.thaw(8),
    ]


@pytest.mark.parametrize("steps", range(6))
def test_every_step_survives_sigkill(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "journal.sqlite"

    died = subprocess.run(
        [sys.executable, "-c", DIE_AFTER, str(path), str(steps)],
        env={"PYTHONPATH": "."},
        check=False,
    )

    assert died.returncode == -signal.SIGKILL
    journal = Journal(path)
    entry = journal.entry(KEY)
    expected = [None, Progress.INTENDED, Progress.FINISHED, *[Progress.REPORTED] * 3][steps]
    assert (entry.progress if entry else None) is expected
    assert (entry.report if entry else None) == (DONE if steps >= 2 else None)
    assert len(journal.unsettled()) == (1 if steps in {1, 2} else 0)
    assert journal.frozen is (steps == 4)


def test_step_is_intended_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.intend(KEY, ORDER, 1, 1)

    with pytest.raises(Exception, match="UNIQUE"):
        journal.intend(KEY, ORDER, 2, 2)


def test_thaw_needs_a_newer_number_and_freeze_a_new_word(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")

    assert journal.freeze(10, b"first")
    assert not journal.thaw(10)
    assert journal.frozen
    assert journal.thaw(11)
    assert not journal.freeze(10, b"first")
    assert journal.freeze(3, b"second")
    assert journal.frozen
    assert not journal.thaw(11)
    assert journal.thaw(1 << 64)


def test_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(Malformed, match=r"journal\.sqlite: no journal.*restore it"):
        Journal(path)
