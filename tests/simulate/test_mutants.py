"""The simulator is worth something only if it catches a consensus that is broken on purpose."""

import pytest

from engine.consensus.checkpoint import Diverged
from engine.consensus.messages import PrePrepare, Proposal
from engine.consensus.ordering import Ordering
from engine.consensus.simulate.checker import Violation
from engine.consensus.simulate.cluster import Node
from engine.consensus.simulate.storm import Storm
from tests.simulate.mutants import (
    MUTANTS,
    OWN_KILLERS,
    SEEDS,
    Killer,
    Mutant,
    applied,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda it: it.name)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    with applied(mutant), pytest.raises((AssertionError, Diverged, ValueError)):
        mutant.killer()


@pytest.mark.parametrize("killer", OWN_KILLERS, ids=lambda it: it.__name__)
def test_what_kills_mutants_lets_the_core_pass(killer: Killer) -> None:
    killer()


def test_there_are_mutants_enough() -> None:
    assert len({mutant.name for mutant in MUTANTS}) >= 20


def _caught(first: int, quorum: int | None = None) -> str:
    """What storms say, from the seed on where the mutant was caught when this was made."""
    for seed in range(first, first + SEEDS):
        try:
            Storm(5, 1, seed, quorum=quorum).run()
        except (Violation, Diverged) as error:
            return str(error)
    return "survived"


def test_a_quorum_of_three_of_five_is_caught_by_storms() -> None:
    assert _caught(0, quorum=3) != "survived"


def test_losing_the_vote_log_is_caught_by_storms(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Node.start

    def amnesia(node: Node) -> None:
        node.records = []
        start(node)

    monkeypatch.setattr(Node, "start", amnesia)

    assert "signed two different" in _caught(2)


def test_preparing_whatever_the_primary_says_last_is_caught_by_storms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_proposal = Ordering.on_proposal

    def gullible(ordering: Ordering, proposal: Proposal, header: PrePrepare) -> None:
        slot = ordering._state.slot(header.sequence_number)
        if slot is not None:
            slot.header = slot.first_header = None
            slot.own.pop("prepare", None)
        on_proposal(ordering, proposal, header)

    monkeypatch.setattr(Ordering, "on_proposal", gullible)

    assert "signed two different" in _caught(35)
