"""A running drill is known to run, by nothing but that."""

import json
from pathlib import Path

from chaos.announced import announce, running, withdraw
from engine.paths import RunPaths


def test_a_drill_is_announced_while_it_runs(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path).make()
    assert not running(paths)

    announce(paths)
    assert running(paths)
    assert paths.drill_note.stat().st_mode & 0o777 == 0o600

    withdraw(paths)
    withdraw(paths)
    assert not running(paths)


def test_a_drill_whose_process_is_gone_does_not_run(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path).make()
    paths.drill_note.write_text('{"pid": 999999999}')
    assert not running(paths)

    paths.drill_note.write_text("nonsense")
    assert not running(paths)


def test_nothing_but_a_process_is_named(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path).make()
    announce(paths)

    assert set(json.loads(paths.drill_note.read_bytes())) == {"pid"}
