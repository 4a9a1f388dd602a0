"""Several agents' rankings become one that a minority of liars cannot turn."""

from hypothesis import given
from hypothesis import strategies as st

from engine.diagnosis.merging import merged

names = st.sampled_from(["a", "b", "c", "d"])
opinions = st.dictionaries(names, st.floats(0, 1e6), max_size=4)


def test_the_merged_ranking_is_what_most_say() -> None:
    said = [{"a": 9.0, "b": 3.0}] * 3 + [{"b": 1.0}, {}]

    assert list(merged(said, 1)) == ["a", "b"]


def test_too_few_opinions_say_nothing() -> None:
    assert merged([{"a": 1.0}, {"a": 1.0}], 1) == {}


def test_when_most_find_nothing_nothing_is_found() -> None:
    assert merged([{"a": 1.0}, {"b": 2.0}, {}, {}, {}], 1) == {}
    assert merged([{"a": 1.0}, {"a": 2.0}, {"a": 1.0}, {}, {}], 1) == {"a": 1.0}


def test_nobody_gains_by_shouting() -> None:
    honest = [{"a": 1.0, "b": 0.2}] * 4

    assert merged([*honest, {"b": 1e300}], 1) == merged([*honest, {"b": 1.0}], 1)
    assert next(iter(merged([*honest, {"b": 1e300, "a": -1e300}], 1))) == "a"


@given(st.lists(opinions, min_size=4, max_size=4), opinions)
def test_one_liar_of_five_keeps_every_score_between_what_honest_agents_said(
    honest: list[dict[str, float]], lie: dict[str, float]
) -> None:
    scores = merged([*honest, lie], 1)

    alone = [merged([opinion] * 3, 1) for opinion in honest]
    for name, score in scores.items():
        said = [each.get(name, 0.0) for each in alone]
        assert min(said) - 1e-9 <= score <= max(said) + 1e-9


@given(st.lists(opinions, min_size=5, max_size=5), st.permutations(range(5)))
def test_who_says_it_does_not_matter(said: list[dict[str, float]], order: list[int]) -> None:
    assert merged(said, 1) == merged([said[place] for place in order], 1)
