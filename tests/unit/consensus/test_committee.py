"""Whose frame it is, and what is refused before or after its signature is looked at."""

import pytest

from engine.consensus.committee import Refused
from engine.consensus.simulate.members import OPERATOR, HashSigner
from engine.signing import Domain
from engine.vocabulary import AuthorId
from tests.unit.consensus.speaking import Speaker

A = bytes([1] * 32)


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def test_a_signature_is_checked_against_its_own_frame_whatever_was_read_since(
    speaker: Speaker,
) -> None:
    committee = speaker.committee
    frame, forged = speaker.prepare(2, 0, 1, A), speaker.prepare(3, 0, 1, A)[:-1] + b"?"
    messages = [committee.read(frame), committee.read(forged)]

    assert committee.signed(frame, messages[0])
    assert not committee.signed(forged, messages[1])


def test_a_submission_of_an_author_whom_nobody_knows_is_refused(speaker: Speaker) -> None:
    stranger = AuthorId("stranger")
    frame = speaker.members.signed(
        stranger, 1, speaker.members.note(1), signer=HashSigner(b"stranger")
    )

    with pytest.raises(Refused, match="unknown author"):
        speaker.committee.open_submission(frame)


@pytest.mark.parametrize("counter", [-1, 2**62])
def test_a_submission_with_a_counter_that_nobody_can_reach_is_refused(
    speaker: Speaker, counter: int
) -> None:
    frame = speaker.members.signed(OPERATOR, counter, speaker.members.note(1))

    with pytest.raises(Refused, match="impossible counter"):
        speaker.committee.open_submission(frame)


class Counting:
    """The verifier of a committee, with a count of what it was asked."""

    def __init__(self, speaker: Speaker) -> None:
        self.asked = 0
        self._verify = speaker.members.verifier.verify
        speaker.committee.verifier = self

    def verify(self, public_key: bytes, domain: Domain, payload: bytes, signature: bytes) -> bool:
        self.asked += 1
        return self._verify(public_key, domain, payload, signature)


def test_a_signature_found_good_is_not_checked_again(speaker: Speaker) -> None:
    counting = Counting(speaker)
    frames = [speaker.prepare(2, 0, number, A) for number in range(1, 5)]

    for frame in (frames[0], frames[0], *frames[1:], frames[3], frames[0]):
        speaker.committee.open(frame)

    assert counting.asked == 4
