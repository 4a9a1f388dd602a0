"""Templates keep what is constant, type what varies, and never grow without bound."""

from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.templates import MAX_TEMPLATES, TemplateMiner


def test_lines_of_one_kind_share_a_template() -> None:
    miner = TemplateMiner()

    numbers = {
        miner.number(f"user {name} paid {n} cents from 10.0.0.{n}")
        for n, name in enumerate(["ann", "bob", "eve"])
    }

    assert len(numbers) == 1
    assert miner.text(numbers.pop()) == "user <*> paid <number> cents from <address>"


def test_lines_of_different_kinds_do_not() -> None:
    miner = TemplateMiner()

    assert miner.number("connection to db refused") != miner.number("cache miss on key 7")
    assert len(miner) == 2


def test_variable_parts_are_typed_whichever_line_came_first() -> None:
    miner = TemplateMiner()
    line = 'took 3.5 ms at 2026-01-02T03:04:05Z for 123e4567-e89b-12d3-a456-426614174000 /a/b "x y" key=secretive'

    assert (
        miner.text(miner.number(line))
        == "took <number> ms at <time> for <id> <path> <text> key <value>"
    )


def test_names_with_digits_in_them_stay_whole() -> None:
    miner = TemplateMiner()

    assert miner.text(miner.number("R16Controller#query done")) == "R16Controller#query done"


def test_what_does_not_fit_any_more_is_counted() -> None:
    miner = TemplateMiner()
    words = [
        f"{chr(97 + i // 676 % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}"
        for i in range(MAX_TEMPLATES + 50)
    ]

    for word in words:
        miner.number(f"{word}{word} {word}s {word}ly")

    assert len(miner) <= MAX_TEMPLATES
    assert miner.overflowed > 0


@given(st.lists(st.text(max_size=300), max_size=30))
def test_any_text_has_a_template_and_the_same_text_the_same(lines: list[str]) -> None:
    miner = TemplateMiner()

    first = [miner.number(line) for line in lines]

    assert [miner.number(line) for line in lines] == first
    assert all(len(miner.text(number)) < 4_000 for number in first)
