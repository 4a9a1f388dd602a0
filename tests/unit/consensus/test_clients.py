"""A submission counts once, however often it is ordered."""

from hypothesis import given
from hypothesis import strategies as st

from engine.consensus.clients import REMEMBERED_PER_AUTHOR, ClientTable, Pending
from engine.consensus.simulate.members import OPERATOR
from engine.vocabulary import AuthorId
from tests.unit.consensus.speaking import Speaker

ANN, BEN = AuthorId("ann"), AuthorId("ben")


def test_a_duplicate_counts_where_it_stands_first() -> None:
    speaker, table = Speaker(), ClientTable()
    one, two = (speaker.members.submission(counter) for counter in (1, 2))

    first = table.fresh(speaker.entry(1, one))
    second = table.fresh(speaker.entry(2, two, one))

    assert [it.counter for it in first] == [1]
    assert [it.counter for it in second] == [2]
    assert table.number_of((OPERATOR, 1)) == 1
    assert table.newest(OPERATOR) == 2


def test_what_came_out_of_order_still_counts() -> None:
    speaker, table = Speaker(), ClientTable()

    table.fresh(speaker.entry(1, speaker.members.submission(9)))
    late = table.fresh(speaker.entry(2, speaker.members.submission(3)))

    assert [it.counter for it in late] == [3]


def test_what_is_too_old_to_be_remembered_counts_as_ordered() -> None:
    speaker, table = Speaker(), ClientTable()
    for counter in range(1, REMEMBERED_PER_AUTHOR + 2):
        table.fresh(speaker.entry(counter, speaker.members.submission(counter)))

    assert table.knows((OPERATOR, 1))
    assert table.number_of((OPERATOR, 1)) is None
    assert table.floor(OPERATOR) == 1


def test_one_author_cannot_fill_the_place_of_others() -> None:
    pending = Pending(most=5, most_per_author=3, most_bytes_per_author=100)

    taken = [pending.add((ANN, counter), b"x", 0) for counter in range(4)]

    assert taken == [True, True, True, False]
    assert pending.add((BEN, 1), b"y", 0)


def test_one_author_cannot_fill_the_memory_of_others() -> None:
    pending = Pending(most=5, most_per_author=3, most_bytes_per_author=100)

    assert pending.add((ANN, 1), bytes(60), 0)
    assert not pending.add((ANN, 2), bytes(41), 0)
    assert pending.add((ANN, 3), bytes(40), 0)
    assert pending.add((BEN, 1), bytes(100), 0)
    pending.discard((ANN, 1))
    pending.discard((ANN, 1))
    assert pending.add((ANN, 2), bytes(41), 0)


def test_a_batch_keeps_the_order_and_both_limits() -> None:
    pending = Pending(most=10, most_per_author=10, most_bytes_per_author=100)
    for counter in range(4):
        pending.add((ANN, counter), bytes(10), 0)

    keys, _ = pending.cut(count=3, size=1000)
    assert keys == ((ANN, 0), (ANN, 1), (ANN, 2))
    assert len(pending.cut(count=9, size=25)[1]) == 2
    pending.mark(keys)
    assert pending.cut(count=9, size=1000)[0] == ((ANN, 3),)
    pending.enter_view()
    assert len(pending.cut(count=9, size=1000)[0]) == 4


@given(st.lists(st.tuples(st.sampled_from(["add", "mark", "discard", "view"]), st.integers(0, 5))))
def test_how_many_are_in_no_batch_is_known_without_counting(steps: list[tuple[str, int]]) -> None:
    pending = Pending(most=4, most_per_author=9, most_bytes_per_author=100)
    for step, counter in steps:
        if step == "add" and (ANN, counter) not in pending.waiting:
            pending.add((ANN, counter), b"a", 0)
        elif step == "mark":
            pending.mark([(ANN, counter)])
        elif step == "discard":
            pending.discard((ANN, counter))
        elif step == "view":
            pending.enter_view()

        assert pending.unproposed == sum(not it.proposed for it in pending.waiting.values())


def test_what_an_author_overtook_himself_is_forgotten() -> None:
    pending = Pending(most=10, most_per_author=2, most_bytes_per_author=100)
    pending.add((ANN, 1), b"x", 0)
    pending.add((ANN, 7), b"x", 0)

    pending.discard_up_to(ANN, 5)

    assert list(pending.waiting) == [(ANN, 7)]
    assert pending.add((ANN, 8), b"x", 0)


def test_what_a_quorum_ordered_and_nobody_can_read_counts_for_nothing() -> None:
    speaker, table = Speaker(), ClientTable()
    readable = speaker.members.submission(1)

    fresh = table.fresh_frames(speaker.entry(1, b"garbage", readable))

    assert [(it.counter, frame) for it, frame in fresh] == [(1, readable)]
