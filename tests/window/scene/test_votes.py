import pytest

from controlroom.window.scene.messages import Messages
from controlroom.window.scene.votes import tally
from tests.window.rounds import FIVE, Writer

INDEX = {agent: i for i, agent in enumerate(FIVE)}


def messages_of(writer: Writer) -> Messages:
    messages = Messages(INDEX, range(5))
    messages.take(writer.records)
    return messages


def test_gauges_fill_to_all_members_by_the_end_of_a_round() -> None:
    writer = Writer()
    writer.round(10.0, 42, FIVE[1], view=3)
    messages = messages_of(writer)

    done = tally(messages, 5, float(messages.rows.arrive_s.max()) + 0.1)

    assert done is not None
    assert (done.view, done.sequence_number) == (3, 42)
    assert done.prepares.tolist() == [5] * 5
    assert done.commits.tolist() == [5] * 5


def test_votes_are_counted_when_they_are_drawn_to_arrive_and_never_sink() -> None:
    writer = Writer()
    writer.round(10.0, 1, FIVE[0])
    messages = messages_of(writer)
    before = [0] * 5

    for step in range(120):
        now = tally(messages, 5, 10.0 + step / 60)
        if now is None:
            continue
        votes = now.commits.tolist()
        assert all(new >= old for new, old in zip(votes, before, strict=True))
        before = votes

    assert before == [5] * 5


def test_a_vote_for_another_digest_counts_against() -> None:
    writer = Writer()
    writer.lie(10.0, 1, FIVE[0])
    for sender in FIVE[1:3]:
        for receiver in FIVE:
            if receiver != sender:
                writer.say(sender, receiver, "prepare", 10.004, 10.006)
    messages = messages_of(writer)

    now = tally(messages, 5, 12.0)

    assert now is not None
    # The last two heard the primary say something else than what the others prepare.
    assert now.against.tolist() == [0, 0, 0, 1, 1]
    assert now.prepares.tolist()[1] == 3


def test_of_overlapping_rounds_the_oldest_is_shown_and_the_others_are_counted() -> None:
    writer = Writer()
    for number in range(3):
        writer.round(10.0 + 0.2 * number, number + 1, FIVE[0])

    now = tally(messages_of(writer), 5, 10.6)

    assert now is not None
    assert now.sequence_number == 1
    assert now.more == 2


@pytest.mark.parametrize("kind", ["status", "relay"])
def test_what_is_no_vote_is_no_round(kind: str) -> None:
    writer = Writer()
    writer.say(FIVE[0], FIVE[1], kind, 1.0, 1.001)

    assert tally(messages_of(writer), 5, 1.2) is None
