"""Nothing that others send makes a replica keep, read or answer more than it may."""

from collections.abc import Sequence

import pytest

from engine.bus.memory import MemoryBus
from engine.consensus.effects import Broadcast, Effect, ReportEvidence, Send, Submit, Trace
from engine.consensus.evidence import MOST_ORDERED_BYTES
from engine.consensus.inbox import Inbox
from engine.consensus.log import MOST_ACCEPTED, Slot
from engine.consensus.messages import (
    Batches,
    Entries,
    FetchBatches,
    Prepared,
    Relay,
    Stable,
    StableCheckpoint,
    ViewChange,
    Vote,
    decode_packet,
)
from engine.consensus.serving import MOST_BYTES, EntryServer
from engine.consensus.settings import Settings, settings_for
from engine.quorum import NEW_VIEW_BYTES, view_change_bytes_of
from engine.vocabulary import AgentId, AuthorId, Entry
from tests.unit.consensus.backup import Backup
from tests.unit.consensus.speaking import Speaker

A = bytes([1] * 32)


def test_an_inbox_is_bounded_by_source_in_messages_and_bytes_and_counts_what_it_drops() -> None:
    inbox: Inbox[str] = Inbox(most_messages=2, most_bytes=10)

    taken = [inbox.put("loud", b"xxx", at) for at in range(3)]
    taken.append(inbox.put("large", bytes(11), 3))
    taken.append(inbox.put("quiet", bytes(10), 4))

    assert taken == [True, True, False, False, True]
    assert inbox.dropped == 2
    assert [(source, at) for source, _, at in inbox.take(1)] == [("loud", 0), ("quiet", 4)]
    assert inbox.put("loud", b"xxxxx", 5)


def test_a_slot_keeps_the_newest_few_of_all_batches_ever_put_there() -> None:
    slot = Slot(1, 0)

    for view in (*range(MOST_ACCEPTED + 1), 2):
        slot.accept(bytes([view] * 32), b"header of view %d" % view)

    assert [digest[0] for digest in slot.accepted] == [1, 3, 4, 2]


def _refusals(effects: list[Effect]) -> list[str]:
    return [it.refused for it in effects if isinstance(it, Trace)]


def test_a_submission_longer_than_allowed_is_refused_unread() -> None:
    backup = Backup(Settings(submission_bytes=100))

    effects = list(backup.replica.step(Submit(bytes(101))))

    assert _refusals(effects) == ["submission of 101 bytes is too long"]


def test_an_author_with_too_many_submissions_waiting_is_told_so() -> None:
    backup = Backup(Settings(pending_per_author=2))

    said = [_refusals(list(backup.replica.step(Submit(backup.submission(it))))) for it in (1, 2, 3)]

    assert said == [[], [], ["too many submissions wait"]]
    assert backup.replica.pending == 2


def test_a_batch_of_too_many_bytes_gets_no_vote() -> None:
    backup = Backup(Settings(batch_bytes=300))
    batch = [backup.submission(counter) for counter in (1, 2)]
    assert len(batch[0]) <= 300 < sum(map(len, batch))

    assert backup.refusal(0, backup.proposal(1, *batch)) == "batch is too long"
    assert backup.refusal(0, backup.proposal(2, batch[0])) == ""


def test_who_asks_for_batches_gets_what_is_known_and_fits_one_batch() -> None:
    backup = Backup(Settings(batch_bytes=300))
    first, second = (backup.submission(counter) for counter in (1, 2))
    backup.hear(0, backup.proposal(1, first))
    backup.hear(0, backup.proposal(2, second))
    digests = [backup.speaker.digest((it,)) for it in (second, first)]

    answers = [
        decode_packet(effect.frame)
        for asked in (digests, [A])
        for effect in backup.hear(3, FetchBatches(tuple(asked)))
        if isinstance(effect, Send)
    ]

    assert answers == [Batches(((second,),))]


def test_what_is_handed_on_at_a_time_fits_one_batch_and_the_rest_follows() -> None:
    backup = Backup(Settings(batch_bytes=300))
    waiting = [backup.submission(counter) for counter in (1, 2)]
    for submission in waiting:
        backup.replica.step(Submit(submission))

    packets = [
        decode_packet(effect.frame)
        for effect in backup.wait(2 * Settings().relay_ms - 50)
        if isinstance(effect, Send)
    ]

    assert packets == [Relay((submission,)) for submission in waiting]


@pytest.mark.parametrize("n", [4, 5, 7, 13, 15, 31])
def test_no_honest_replica_says_more_of_a_view_than_others_take(n: int) -> None:
    speaker = Speaker(n, (n - 1) // 3)
    committee, period = speaker.committee, settings_for(n, speaker.genesis.f).checkpoint_period
    newest = 2**62
    vote = speaker.prepare(1, newest, newest, A)
    proof = Prepared(speaker.pre_prepare(newest, newest, A), (vote,) * (committee.quorum - 1))
    stable = StableCheckpoint(newest, A, speaker.stable(newest, A).proof)
    change = speaker.view_change(1, newest, *([proof] * 2 * period), stable=stable)

    beginning = speaker.sign(
        speaker.new_view(
            newest, [change] * committee.quorum, *([proof.pre_prepare] * 2 * period)
        )
    )  # fmt: skip

    assert len(speaker.sign(change)) <= view_change_bytes_of(n, speaker.genesis.f)
    assert len(beginning) <= NEW_VIEW_BYTES
    assert max(NEW_VIEW_BYTES, 2 * view_change_bytes_of(n, speaker.genesis.f)) <= MOST_ORDERED_BYTES


def test_a_padded_checkpoint_makes_no_view_change_longer() -> None:
    """A liar that pads what honest replicas repeat would make theirs too long to be taken."""
    backup = Backup(Settings(checkpoint_period=1))
    committed = backup.speaker.entry(1, backup.submission(1))
    backup.hear(3, Entries((committed,)))
    proof = backup.speaker.stable(1, backup.replica.chain)
    padded = StableCheckpoint(1, proof.chain, (*proof.proof, bytes(NEW_VIEW_BYTES)))

    refused = backup.refusal(2, Stable(padded))
    taken = backup.refusal(3, Stable(proof))
    backup.replica.step(Submit(backup.submission(2)))
    said = [decode_packet(it.frame) for it in backup.wait(2_000) if isinstance(it, Broadcast)]

    assert (refused, taken) == ("checkpoint proof of more votes than a quorum", "")
    votes = [it for it in said if isinstance(it, Vote)]
    changes = [backup.speaker.committee.open(it.frame) for it in votes]
    assert [it.stable for it in changes if isinstance(it, ViewChange)][:1] == [proof]


def test_what_says_more_of_a_view_is_refused_unchecked_and_is_no_evidence() -> None:
    backup = Backup()
    it = backup.speaker
    stuffed = it.view_change(2, 1, Prepared(bytes(view_change_bytes_of(5, 1)), ()))
    beginning = it.new_view(2, [], bytes(NEW_VIEW_BYTES))

    said = [
        list(backup.hear(by, Vote(it.sign(message))))
        for by, message in ((2, stuffed), (2, beginning))
    ]

    assert [_refusals(effects) for effects in said] == [
        ["longer than a view-change can be"],
        ["longer than a new-view can be"],
    ]
    assert not any(isinstance(it, ReportEvidence) for effects in said for it in effects)


class Shelf:
    """A ledger of entries so long that two of them fit one answer."""

    def __init__(self, length: int) -> None:
        self.entries = [
            Entry(number, 0, (bytes(MOST_BYTES // 3 + number),), ())
            for number in range(1, length + 1)
        ]

    @property
    def head(self) -> tuple[int, bytes]:
        return len(self.entries), A

    def append(self, entries: Sequence[Entry], received_ns: int) -> None:
        self.entries += entries

    def sync(self) -> None:
        """On this shelf everything stays."""

    def read(self, first: int, limit: int) -> list[Entry]:
        return self.entries[first - 1 : first - 1 + limit]


@pytest.mark.parametrize(("first", "given"), [(1, [1, 2]), (3, [3]), (4, [])])
def test_an_answer_holds_as_many_entries_as_fit_a_frame(first: int, given: list[int]) -> None:
    server = EntryServer(AgentId(AuthorId("agent-0")), MemoryBus(), Shelf(3))

    packet = decode_packet(server.answer(first, 64))

    assert isinstance(packet, Entries)
    assert [entry.sequence_number for entry in packet.entries] == given
