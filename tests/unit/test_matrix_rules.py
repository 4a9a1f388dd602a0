"""The policy of the kill matrix is one that every process of a run accepts."""

from pathlib import Path

from chaos.matrix import RULES
from engine.policy import read_rules, write_rules


def test_the_matrix_plays_under_a_policy_that_can_be_read_back(tmp_path: Path) -> None:
    write_rules(RULES, tmp_path / "policy.toml")

    assert read_rules(tmp_path / "policy.toml") == RULES
