import numpy as np
import pytest

from controlroom.window.scene.messages import FALLS_S, ONE_BY_ONE, Fate, Messages
from tests.window.rounds import FIVE, Writer

INDEX = {agent: i for i, agent in enumerate(FIVE)}
FRAME_S = 1 / 60


def table(writer: Writer, index: dict[str, int] | None = None) -> Messages:
    index = index or INDEX
    messages = Messages(index, [place % 5 for place in range(len(index))])
    messages.take(writer.records)
    return messages


def busy() -> Writer:
    """Rounds that overlap, a lie, refusals and a straggler."""
    writer = Writer()
    for number in range(6):
        writer.round(100.0 + 0.4 * number, number + 1, FIVE[number % 5])
    writer.lie(103.0, 7, FIVE[2])
    for receiver in FIVE[1:]:
        writer.say(FIVE[0], receiver, "commit", 103.2, 103.21, (0, 3), refused="of an old view")
    writer.say(FIVE[3], FIVE[4], "prepare", 103.3, 105.6, (0, 8))
    writer.say(FIVE[3], FIVE[4], "status", 103.5, 103.501)
    return writer


def test_every_record_of_a_trace_is_drawn_once_frame_by_frame() -> None:
    writer = busy()
    messages = table(writer)
    seen: dict[int, list[int]] = {}

    for frame in range(int(12 / FRAME_S)):
        for number in messages.under_way(99.0 + frame * FRAME_S).number.tolist():
            seen.setdefault(number, []).append(frame)

    assert set(seen) == {sent.number for sent in writer.records}
    for frames in seen.values():
        assert frames == list(range(frames[0], frames[-1] + 1)), "it is drawn in one go"
        assert len(frames) >= 10, "long enough to be seen"


def test_what_is_folded_is_counted_and_nothing_is_lost() -> None:
    agents = [f"agent-{i}" for i in range(40)]
    writer = Writer()
    writer.round(50.0, 1, agents[0], agents=agents)

    messages = table(writer, {agent: i for i, agent in enumerate(agents)})

    assert len(writer.records) > 2 * ONE_BY_ONE
    assert messages.folded > 0
    assert messages.rows.records.sum() == len(writer.records) == messages.taken
    assert len(messages.rows.number) + messages.folded == len(writer.records)


def test_records_of_strangers_are_counted() -> None:
    writer = Writer()
    writer.say("nobody", FIVE[0], "prepare", 1.0, 1.002)

    messages = table(writer)

    assert (messages.taken, messages.strangers, len(messages.rows.number)) == (1, 1, 0)


def test_batches_in_any_order_draw_the_same_once_the_round_has_begun() -> None:
    writer = Writer()
    writer.round(10.0, 1, FIVE[0])
    first, rest = writer.records[:1], writer.records[1:]
    one, other = Messages(INDEX, range(5)), Messages(INDEX, range(5))

    one.take(writer.records)
    other.take(first)
    other.take(rest[len(rest) // 2 :])
    other.take(rest[: len(rest) // 2])

    by_number = [
        dict(zip(t.rows.number.tolist(), t.rows.leave_s.tolist(), strict=True))
        for t in (one, other)
    ]
    assert by_number[0] == pytest.approx(by_number[1])


def test_two_digests_of_one_sender_make_twins_of_all_its_messages() -> None:
    writer = Writer()
    writer.round(1.0, 6, FIVE[0])
    writer.lie(2.0, 7, FIVE[2])

    messages = table(writer)

    rows = messages.rows
    lied = rows.sequence_number == 7
    assert sorted(set(rows.twin[lied].tolist())) == [1, 2]
    assert not rows.twin[~lied].any()
    assert len(messages.contradictions) == 1


def test_a_refused_message_is_seen_to_fall_longer_than_a_taken_one_flashes() -> None:
    writer = Writer()
    writer.say(FIVE[0], FIVE[1], "commit", 5.0, 5.004, (0, 1), refused="outside the window")
    writer.say(FIVE[0], FIVE[2], "commit", 5.0, 5.004, (0, 1))

    messages = table(writer)
    late = float(messages.rows.arrive_s.max()) + 0.9 * FALLS_S

    assert messages.under_way(late).fate.tolist() == [Fate.REFUSED]
    assert messages.reasons == {1: "outside the window"}


def test_a_slow_message_flies_longer_than_a_quick_one() -> None:
    writer = Writer()
    writer.say(FIVE[0], FIVE[1], "prepare", 5.0, 5.003)
    writer.say(FIVE[0], FIVE[2], "prepare", 5.0, 6.5)

    rows = table(writer).rows

    flights = (rows.arrive_s - rows.leave_s).tolist()
    assert flights[0] < 0.6 < 1.5 <= flights[1]
    assert np.allclose(rows.flight_ms, [3.0, 1500.0], atol=0.01)


def test_the_table_is_bounded_and_says_what_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controlroom.window.scene.messages.CAPACITY", 4096)
    writer = Writer()
    for number in range(200):
        writer.round(100.0 + number, number + 1, FIVE[0])

    messages = table(writer)

    assert len(messages.rows.number) <= 4096
    assert messages.forgotten + len(messages.rows.number) == len(writer.records)
    assert messages.under_way(299.3).number.size > 0
