"""What others received and one did not: seen to be lost, and counted as no record."""

import numpy as np

from controlroom.window.scene.messages import FALLS_S, LOST_S, NOTICED_S, Fate, Messages
from controlroom.window.scene.missing import WAIT_S, Missing
from tests.window.rounds import FIVE, Writer

INDEX = {agent: i for i, agent in enumerate(FIVE)}


def lossy() -> Writer:
    """A whole round, one whose commit does not reach the last agent, and enough time after it."""
    writer = Writer()
    writer.round(10.0, 1, FIVE[0])
    writer.round(11.0, 2, FIVE[0])
    for receiver in FIVE[1:4]:
        writer.say(FIVE[0], receiver, "commit", 12.0, 12.004, (0, 3))
    writer.say(FIVE[1], FIVE[0], "status", 14.0, 14.001)
    return writer


def table(writer: Writer, parts: int = 1) -> Messages:
    messages = Messages(INDEX, range(5), complete=True)
    size = -(-len(writer.records) // parts)
    for at in range(0, len(writer.records), size):
        messages.take(writer.records[at : at + size])
    return messages


def test_a_message_that_one_did_not_receive_is_missing_there_and_nowhere_else() -> None:
    messages = table(lossy())

    (lack,) = messages.lacks.values()
    assert (lack.saying.sender, lack.receiver, lack.saying.kind) == (FIVE[0], FIVE[4], "commit")


def test_it_is_drawn_once_known_and_falls_before_its_receiver() -> None:
    messages = table(lossy())
    (number,) = messages.lacks

    assert number < 0
    assert number not in messages.under_way(12.0 + NOTICED_S - 0.05).number
    rows = messages.under_way(12.0 + NOTICED_S + LOST_S + 0.5 * FALLS_S)
    assert rows.fate[rows.number == number].tolist() == [Fate.MISSING]
    assert number not in messages.under_way(12.0 + NOTICED_S + LOST_S + FALLS_S + 0.1).number


def test_it_counts_as_no_record() -> None:
    writer = lossy()

    messages = table(writer)

    assert messages.rows.records.sum() == len(writer.records)


def test_batches_come_to_the_same_answer_as_all_at_once() -> None:
    whole, parts = table(lossy()), table(lossy(), parts=9)

    assert [it[:2] for it in whole.lacks.values()] == [it[:2] for it in parts.lacks.values()]


def test_one_that_comes_after_all_is_withdrawn() -> None:
    writer = lossy()
    messages = table(writer)
    writer.say(FIVE[0], FIVE[4], "commit", 12.0, 14.5, (0, 3))
    messages.take(writer.records[-1:])

    seen = messages.under_way(12.0 + NOTICED_S + 0.5)

    assert not (seen.fate == Fate.MISSING).any()
    assert (messages.rows.flight_ms > 2_000).sum() == 1


def test_nothing_is_missing_of_somebody_who_was_never_heard_or_before_the_trace_began() -> None:
    writer = Writer()
    for receiver in FIVE[1:3]:
        writer.say(FIVE[0], receiver, "prepare", 5.0, 5.002, (0, 1))
    for receiver in FIVE[1:3]:
        writer.say(FIVE[0], receiver, "prepare", 6.0, 6.002, (0, 2))
    writer.say(FIVE[1], FIVE[0], "status", 9.0, 9.001)

    assert table(writer).lacks == {}


def test_waiting_is_bounded_and_says_what_it_gave_up() -> None:
    missing = Missing(INDEX)
    writer = Writer()
    for number in range(5_000):
        writer.say(FIVE[0], FIVE[1], "prepare", 5.0 + 1e-5 * number, 5.1, (0, number))
    for sent in writer.records:
        missing.heard(sent)

    assert missing.given_up > 0
    assert missing.overdue() == []
    assert WAIT_S > 1.0


def test_the_rows_keep_their_types() -> None:
    rows = table(lossy()).rows

    assert rows.number.dtype == np.int64
    assert set(rows.fate.tolist()) == {0, 2}
