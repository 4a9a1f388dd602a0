"""Drills against a traitor, to their end: mended, convicted where there is proof, and replaced."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.fleet.commands import ROOT, command, environment

pytestmark = pytest.mark.fleet


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("kind", "traitor", "convicted"),
    [
        ("conflicting_votes", "communication-1", ["communication-1"]),
        ("silent", "detection-1", []),
    ],
)
def test_a_drill_against_a_traitor_ends_with_a_new_key_and_a_full_budget(
    kind: str, traitor: str, convicted: list[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    words = ("kill-payments", "--against-swarm", f"byzantine:{kind}", "--json", str(report))

    done = subprocess.run(
        command("drill", *words), cwd=ROOT, env=environment(tmp_path), check=False,
        capture_output=True, text=True, timeout=220,
    )  # fmt: skip

    (run,) = json.loads(report.read_bytes())["runs"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert run["recovered"]
    assert run["orders_lost"] == 0
    assert run["convicted"] == convicted
    assert run["replaced"] == [traitor]
    assert run["fault_budget"] == 1
    assert run["certificate_verified"]
    said = subprocess.run(
        command("verify", run["ledger"]), cwd=ROOT, env=environment(tmp_path), check=True,
        capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert f"another key for {traitor}" in said
