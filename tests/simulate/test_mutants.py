"""The simulator is worth something only if it catches a consensus that is broken on purpose."""

from collections.abc import Sequence

import pytest

from engine.consensus import succession, view_change
from engine.consensus.checkpoint import Diverged
from engine.consensus.committee import Committee
from engine.consensus.messages import PrePrepare, Proposal, ViewChange
from engine.consensus.ordering import Ordering
from engine.consensus.simulate.checker import Violation
from engine.consensus.simulate.cluster import Node
from engine.consensus.simulate.storm import Storm
from engine.consensus.view_change import Plan, select

MOST_SEEDS = 300


def _caught(first: int, quorum: int | None = None) -> str:
    """What the simulator says of the mutant; seeds begin where it was caught when this was made."""
    for seed in range(first, first + MOST_SEEDS):
        try:
            Storm(5, 1, seed, quorum=quorum).run()
        except (Violation, Diverged) as error:
            return str(error)
    return "survived"


def test_a_quorum_of_three_of_five_is_caught() -> None:
    caught = _caught(71, quorum=3)

    assert "agreement" in caught or "another batch" in caught


def test_forgetting_what_was_prepared_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(votes: Sequence[ViewChange], committee: Committee) -> Plan:
        return Plan(select(votes, committee).stable, ())

    monkeypatch.setattr(succession, "select", forgetful)
    monkeypatch.setattr(view_change, "select", forgetful)

    assert "another batch" in _caught(6)


def test_losing_the_vote_log_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Node.start

    def amnesia(node: Node) -> None:
        node.records = []
        start(node)

    monkeypatch.setattr(Node, "start", amnesia)

    assert "signed two different" in _caught(2)


def test_preparing_whatever_the_primary_says_last_is_caught(
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

    assert "signed two different" in _caught(45)
