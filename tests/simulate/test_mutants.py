"""The simulator is worth something only if it catches a consensus that is broken on purpose."""

import pytest

from engine.consensus.checkpoint import Diverged
from engine.consensus.simulate.checker import Violation
from engine.consensus.simulate.cluster import Node
from engine.consensus.simulate.storm import Storm
from tests.simulate.mutants import MUTANTS, SEEDS, Mutant, applied


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda it: it.name)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    mutant_lives = pytest.raises(Exception, match="")

    with applied(mutant), mutant_lives:
        mutant.killer()


def test_there_are_mutants_enough() -> None:
    assert len({mutant.name for mutant in MUTANTS}) >= 20


def test_losing_the_vote_log_is_caught_by_storms(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Node.start

    def amnesia(node: Node) -> None:
        node.records = []
        start(node)

    monkeypatch.setattr(Node, "start", amnesia)

    with pytest.raises((Violation, Diverged), match="signed two different"):
        for seed in range(2, 2 + SEEDS):
            Storm(5, 1, seed).run()
