"""The engine can be imported by anything, because it brings none of the heavy libraries along."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = {"PySide6", "aiohttp", "boto3", "pyvista", "textual", "vtk"}


def modules_after(statement: str) -> set[str]:
    """The top-level names of all modules that a fresh interpreter has after ``statement``."""
    answer = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in answer.stdout.split()}


@pytest.mark.parametrize("module", ["engine", "engine.vocabulary", "engine.cli", "main"])
def test_import_loads_nothing_heavy(module: str) -> None:
    loaded = modules_after(f"import {module}")

    assert module.partition(".")[0] in loaded
    assert not loaded & HEAVY


def test_what_both_screens_show_needs_no_screen() -> None:
    assert not modules_after("import controlroom.store, controlroom.plain") & {"textual", "rich"}


def test_modules_after_sees_what_is_loaded() -> None:
    assert "textual" in modules_after("import textual")
