"""The servers of our wheels start on this machine, as the user who will run them."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine import binaries
from engine.cli.doctor import Status, examine

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.fleet


def test_doctor_finds_nothing_missing() -> None:
    missing = [finding for finding in examine() if finding.status is Status.MISSING]

    assert missing == []


def test_doctor_exits_0_when_nothing_is_missing() -> None:
    answer = subprocess.run(
        [sys.executable, "main.py", "doctor", "--plain"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "PostgreSQL" in answer.stdout


def test_newest_postgres_is_chosen() -> None:
    folder = binaries.postgres_folder()

    assert folder is not None
    version = subprocess.run(
        [folder / "initdb", "--version"], capture_output=True, text=True, check=True
    )
    assert "PostgreSQL) 18." in version.stdout
