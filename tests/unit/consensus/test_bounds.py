"""Nothing that others send makes a replica keep, read or answer more than it may."""

import pytest

from engine.bus.memory import MemoryBus
from engine.codec import encode
from engine.consensus.catch_up import MOST_BATCH_BYTES
from engine.consensus.effects import Effect, Send, Submit, Trace
from engine.consensus.inbox import Inbox
from engine.consensus.log import MOST_ACCEPTED, Slot
from engine.consensus.messages import Batches, Entries, FetchBatches, decode_packet
from engine.consensus.serving import MOST_BYTES, EntryServer
from engine.consensus.settings import Settings
from engine.vocabulary import AgentId, AuthorId, Entry
from tests.unit.consensus.backup import Backup

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


def test_who_asks_for_batches_gets_what_is_known_and_fits_one_frame() -> None:
    backup = Backup(Settings(submission_bytes=1 << 20, batch_bytes=1 << 20))
    members = backup.speaker.members
    note = members.note(1)
    large = members.signed(
        AuthorId("operator"), 1, *[note] * (MOST_BATCH_BYTES // len(encode(note)))
    )
    small = backup.submission(2)
    backup.hear(0, backup.proposal(1, large))
    backup.hear(0, backup.proposal(2, small))
    digests = [backup.speaker.digest((it,)) for it in (small, large)]

    answers = [
        decode_packet(effect.frame)
        for asked in (digests, [A])
        for effect in backup.hear(3, FetchBatches(tuple(asked)))
        if isinstance(effect, Send)
    ]

    assert answers == [Batches(((small,),))]


class Shelf:
    """A ledger of entries so long that two of them fit one answer."""

    def __init__(self, length: int) -> None:
        self.entries: list[Entry] = []
        for number in range(1, length + 1):
            self.append(Entry(number, 0, (bytes(MOST_BYTES // 3 + number),), ()), 0)

    @property
    def head(self) -> tuple[int, bytes]:
        return len(self.entries), A

    def append(self, entry: Entry, received_ns: int) -> None:
        self.entries.append(entry)

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
