"""What was read and found good is remembered within bounds, and nothing else ever is."""

from typing import Any

import msgspec
import pytest

from engine.charter import Charter
from engine.codec import decode, encode
from engine.consensus.committee import Refused
from engine.consensus.messages import Prepare
from engine.consensus.readings import Readings
from engine.consensus.simulate.members import Members
from engine.genesis import Genesis
from engine.vocabulary import Signed

ZERO = bytes(32)


def test_the_oldest_is_forgotten_when_there_are_too_many() -> None:
    readings: Readings[int] = Readings(most=2)

    for place in range(3):
        readings.keep(bytes([place]), place)

    assert [readings.get(bytes([place])) for place in range(3)] == [None, 1, 2]


def test_the_oldest_are_forgotten_when_they_are_too_long() -> None:
    readings: Readings[int] = Readings(most_bytes=10)

    for place in range(3):
        readings.keep(bytes([place]) * 4, place)

    assert len(readings) == 2
    assert bytes(4) not in readings


def test_what_is_kept_twice_counts_once() -> None:
    readings: Readings[int] = Readings(most_bytes=10)

    for _ in range(9):
        readings.keep(b"four", 1)

    assert readings.get(b"four") == 1


def test_a_frame_longer_than_all_that_may_be_kept_is_not_kept() -> None:
    readings: Readings[int] = Readings(most_bytes=10)

    readings.keep(bytes(11), 1)

    assert len(readings) == 0


def test_a_vote_whose_signature_was_wrong_is_checked_again() -> None:
    members = Members(4, 1)
    committee = members.committee()
    vote = Prepare(committee.cluster, 0, 1, 0, 1, ZERO)
    good = committee.sign(members.signers[members.ids[1]], vote)
    envelope = decode(good, Signed)
    forged = encode(Signed(envelope.payload, bytes(64)))

    for _ in range(2):
        with pytest.raises(Refused, match="signature does not fit"):
            committee.open(forged)
    assert committee.open(good) == vote
    with pytest.raises(Refused, match="signature does not fit"):
        committee.open(forged)


def test_a_submission_that_was_found_good_is_no_message_for_it() -> None:
    members = Members(4, 1)
    committee, submission = members.committee(), members.submission(1)

    committee.open_submission(submission)

    with pytest.raises(Refused, match="malformed"):
        committee.read(submission)


def test_what_one_epoch_found_good_says_nothing_in_the_next() -> None:
    members = Members(4, 1)
    committee = members.committee()
    vote = Prepare(committee.cluster, 0, 1, 0, 1, ZERO)
    good = committee.sign(members.signers[members.ids[1]], vote)
    committee.open(good)
    charter = _after(members.genesis)

    following = committee.amended(charter)

    assert following is committee.amended(charter)
    with pytest.raises(Refused, match="of another epoch"):
        following.open(good)


def _after(genesis: Genesis) -> Charter:
    """The charter of the next epoch, in which nobody has another key."""
    fields: dict[str, Any] = {**msgspec.structs.asdict(genesis), "epoch": 1}
    return Charter(**fields, founded=genesis.cluster, after=8, begins=genesis.cluster)
