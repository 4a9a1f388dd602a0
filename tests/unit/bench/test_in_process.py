"""The bench counts what a decision signs and checks; the figures follow from the count."""

from engine.bench.figure import Figure, table
from engine.bench.in_process import Ring, Shape


def test_a_decision_of_four_signs_and_checks_what_the_protocol_says() -> None:
    cost = Ring(Shape(4, 1, 10)).measure(2)

    # The submission, a PRE-PREPARE, three PREPAREs, four COMMITs, four answers to the author.
    assert cost.signed == 1 + 1 + 3 + 4 + 4
    # The submission at each, the PRE-PREPARE at each backup, PREPAREs and COMMITs of the others.
    assert 4 + 3 + 5 + 8 <= cost.checked <= 4 + 3 + 9 + 12
    assert cost.operations == 10
    assert cost.floor_ms > 0


def test_submissions_signed_apart_are_one_decision_and_state_their_own_floor() -> None:
    cost = Ring(Shape(4, 5, 1)).measure(1)

    assert cost.signed == 5 + 1 + 3 + 4 + 4
    assert cost.operations == 5


def test_a_figure_without_an_aim_claims_nothing() -> None:
    rows = [
        Figure("one", 1.4, "× floor", 1.2, "lower", holds=False, beside={"rounds": 3.0}),
        Figure("other", 1.4, "× floor", 0.0, "lower", holds=True, beside={}),
    ]

    *_, missed, beside = table(rows).splitlines()

    assert "| ≤ 1.2 | ✖ no |" in missed
    assert "| – | – |" in beside
