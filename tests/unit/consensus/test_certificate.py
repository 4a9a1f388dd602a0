"""What proves an entry and the end of a ledger, and what only looks like it."""

from functools import reduce

import msgspec
import pytest

from engine.consensus.certificate import Unproven, check_entry, seal_from, verify_seal
from engine.consensus.digests import chain_after
from engine.consensus.messages import Status
from engine.vocabulary import Entry
from tests.unit.consensus.speaking import Speaker

CHAIN, OTHER = bytes([1] * 32), bytes([2] * 32)


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def test_a_chain_digest_commits_to_all_batches_and_their_places_and_to_no_votes(
    speaker: Speaker,
) -> None:
    def chain(*entries: Entry) -> bytes:
        return reduce(lambda so_far, it: chain_after(so_far, it, *speaker.head), entries, CHAIN)

    one, two = speaker.entry(1, b"x"), speaker.entry(2, b"y")
    told = chain(one, two)

    assert chain(msgspec.structs.replace(one, view=3, commits=()), two) == told
    assert chain(speaker.entry(1, b"y"), two) != told
    assert chain(speaker.entry(1, b"x"), speaker.entry(3, b"y")) != told
    assert chain(two) != told


def test_entries_begin_at_one(speaker: Speaker) -> None:
    with pytest.raises(Unproven, match="numbers begin at 1"):
        check_entry(speaker.entry(0, b"x"), speaker.committee)


def test_an_entry_is_proved_by_commits_for_it_and_by_nothing_else(speaker: Speaker) -> None:
    good = speaker.entry(5, b"x")
    check_entry(good, speaker.committee)

    for vote, why in (
        (speaker.prepare(3, 0, 5, speaker.digest((b"x",))), "is no COMMIT for this batch"),
        (speaker.commit(3, 0, 5, CHAIN), "is no COMMIT for this batch"),
        (speaker.commit(3, 0, 6, speaker.digest((b"x",))), "is for another place"),
        (good.commits[3][:-1] + b"?", "is not signed by its sender"),
        (good.commits[2], "3 replicas committed it, 4 are needed"),
    ):
        spoiled = msgspec.structs.replace(good, commits=(*good.commits[:3], vote))
        with pytest.raises(Unproven, match=why):
            check_entry(spoiled, speaker.committee)


def test_an_entry_that_shows_more_votes_than_it_needs_is_refused(speaker: Speaker) -> None:
    """Whoever took it would hand all of it on, until it fits no frame."""
    for padding in (speaker.commit(4, 0, 5, speaker.digest((b"x",))), bytes(1000)):
        good = speaker.entry(5, b"x")
        padded = msgspec.structs.replace(good, commits=(*good.commits, padding))
        with pytest.raises(Unproven, match="more votes than a quorum"):
            check_entry(padded, speaker.committee)


def test_a_quorum_at_one_head_seals_a_ledger_and_nothing_else_counts(speaker: Speaker) -> None:
    def status(by: int, executed: int = 7, chain: bytes = CHAIN) -> bytes:
        return speaker.sign(Status(*speaker.head, by, 0, True, executed, chain, 0))

    elsewhere = [status(3, executed=6), status(3, chain=OTHER), speaker.prepare(3, 0, 7, CHAIN)]
    three = [status(0), status(1), status(2), *elsewhere, b"garbage", status(2)]

    assert seal_from(three, 7, CHAIN, speaker.committee) is None
    seal = seal_from([*three, status(4)], 7, CHAIN, speaker.committee)
    assert seal is not None
    assert seal.statuses == (status(0), status(1), status(2), status(4))

    members = speaker.members
    verify_seal(seal, 7, CHAIN, speaker.genesis, members.verifier)
    with pytest.raises(Unproven, match="the ledger ends at 6"):
        verify_seal(seal, 6, CHAIN, speaker.genesis, members.verifier)
    torn = msgspec.structs.replace(seal, statuses=seal.statuses[:3])
    with pytest.raises(Unproven, match="no quorum of 4"):
        verify_seal(torn, 7, CHAIN, speaker.genesis, members.verifier)
