"""The consensus core imports nothing that knows of time, chance, network or other tasks."""

import ast
from pathlib import Path

import pytest

import engine.consensus

FOLDER = Path(engine.consensus.__file__).parent
SHELLS = {"runtime.py", "client.py", "vote_log.py"}
CORE = sorted(path.name for path in FOLDER.glob("*.py") if path.name not in SHELLS)
FORBIDDEN = {"asyncio", "time", "random", "socket", "os", "threading", "datetime", "secrets"}


@pytest.mark.parametrize("name", CORE)
def test_a_core_module_is_pure(name: str) -> None:
    tree = ast.parse((FOLDER / name).read_text())

    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }

    assert not imported & FORBIDDEN
