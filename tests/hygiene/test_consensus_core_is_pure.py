"""The consensus core imports nothing that knows of time, chance, network or other tasks."""

import ast
import configparser
from pathlib import Path

import pytest

import engine.consensus

FOLDER = Path(engine.consensus.__file__).parent
SHELLS = {"runtime.py", "client.py", "vote_log.py"}
CORE = sorted(path.name for path in FOLDER.glob("*.py") if path.name not in SHELLS)
FORBIDDEN = {"asyncio", "time", "random", "socket", "os", "threading", "datetime", "secrets"}

SIMULATOR = sorted(path.name for path in (FOLDER / "simulate").glob("*.py"))


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    plain = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {module.partition(".")[0] for module in plain | named}


@pytest.mark.parametrize("name", CORE)
def test_a_core_module_is_pure(name: str) -> None:
    assert not _imported(FOLDER / name) & FORBIDDEN


@pytest.mark.parametrize("name", SIMULATOR)
def test_the_simulator_is_pure_but_for_the_random_that_it_is_given(name: str) -> None:
    path = FOLDER / "simulate" / name

    assert not _imported(path) & (FORBIDDEN - {"random"})
    drawn = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "random"
        and node.attr != "Random"
    ]
    assert not drawn, "chance comes from the one random.Random only"


def test_the_whole_core_has_to_be_covered_and_no_line_says_otherwise() -> None:
    floor = configparser.ConfigParser()
    floor.read(Path(__file__).resolve().parents[1] / "consensus.coveragerc")

    left_out = {f"engine/consensus/{name}" for name in (*SHELLS, "simulate/*")}
    assert set(floor["run"]["omit"].split()) == left_out
    assert floor["report"]["fail_under"] == "100"
    assert not floor["report"]["exclude_lines"] + floor["report"]["partial_branches"]
    assert not [name for name in CORE if "pragma" in (FOLDER / name).read_text()]
