"""What replicas say to each other: signed messages, and the packets that carry them.

A message is signed over its canonical encoding in the domain of consensus, and names cluster and
epoch, so that no signature means anything elsewhere. ``replica`` is the signer's place in
``Genesis.agents``. Packets are not signed: whatever matters in them proves itself.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, cast, get_args

import msgspec

from engine.codec import encode, reader_of
from engine.vocabulary import AuthorId, Entry

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A view, a sequence number, a replica number."""
Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Batch = tuple[bytes, ...]
"""Encoded ``Signed`` submissions in order; empty for a null batch."""


Place = tuple[int, int, bytes]
"""View, sequence number and digest, for screens; 0 or empty where a message names none."""


class Message(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """What every signed message begins with."""

    kind: ClassVar[str]
    """The word that stands for the type on the wire and on screens."""
    cluster: Hash
    epoch: Count
    replica: Count


class OnSlot(Message, frozen=True):
    """What a vote on one sequence number names."""

    view: Count
    sequence_number: Count
    digest: Hash

    @property
    def place(self) -> Place:
        """Where it belongs, for screens."""
        return self.view, self.sequence_number, self.digest


class PrePrepare(OnSlot, frozen=True, tag="pre-prepare"):
    """The primary puts a batch at a sequence number; counts as its vote to prepare."""


class Prepare(OnSlot, frozen=True, tag="prepare"):
    """A backup took exactly this batch for this place."""


class Commit(OnSlot, frozen=True, tag="commit"):
    """A quorum prepared this batch; a quorum of these is the ledger's proof."""


class Checkpoint(Message, frozen=True, tag="checkpoint"):
    """Everything up to this sequence number is executed, with this chain digest."""

    sequence_number: Count
    chain: Hash

    @property
    def place(self) -> Place:
        """Where it belongs, for screens."""
        return 0, self.sequence_number, self.chain


class Prepared(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """Proof that a batch was prepared: the PRE-PREPARE and q - 1 PREPAREs of distinct backups."""

    pre_prepare: bytes
    prepares: tuple[bytes, ...]


class StableCheckpoint(
    msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True
):
    """A quorum of CHECKPOINTs; the one at 0 needs no proof."""

    sequence_number: Count
    chain: Hash
    proof: tuple[bytes, ...]


class ViewChange(Message, frozen=True, tag="view-change"):
    """The sender has left all views below ``view`` and shows what it prepared in them."""

    view: Count
    stable: StableCheckpoint
    prepared: tuple[Prepared, ...]
    """For each sequence number above the stable checkpoint, the proof of the highest view."""

    @property
    def place(self) -> Place:
        """Where it belongs, for screens."""
        return self.view, 0, b""


class NewView(Message, frozen=True, tag="new-view"):
    """The next primary's proof that the view begins, and with which batches."""

    view: Count
    view_changes: tuple[bytes, ...]
    pre_prepares: tuple[bytes, ...]

    @property
    def place(self) -> Place:
        """Where it belongs, for screens."""
        return self.view, 0, b""


class Status(Message, frozen=True, tag="status"):
    """Where a replica is; a quorum of these at one head seals a ledger."""

    view: Count
    entered: bool
    """False while the view change to ``view`` is under way."""
    executed: Count
    chain: Hash
    stable: Count

    @property
    def place(self) -> Place:
        """Where it belongs, for screens."""
        return self.view, self.executed, self.chain


class Ordered(Message, frozen=True, tag="ordered"):
    """Tells authors that their submissions (author, counter) stand at a sequence number."""

    sequence_number: Count
    submissions: tuple[tuple[AuthorId, Count], ...]

    @property
    def place(self) -> Place:
        """Where it belongs, for screens."""
        return 0, self.sequence_number, b""


SlotVote = PrePrepare | Prepare | Commit
AnyMessage = PrePrepare | Prepare | Commit | Checkpoint | ViewChange | NewView | Status | Ordered


class Parcel(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """What every packet is."""

    kind: ClassVar[str]
    """The word that stands for the type on the wire and on screens."""


class Vote(Parcel, frozen=True, tag="vote"):
    """One encoded ``Signed`` message, which on the wire stands for itself."""

    frame: bytes


class Proposal(Parcel, frozen=True, tag="proposal"):
    """A signed PRE-PREPARE with the batch whose digest it names."""

    frame: bytes
    batch: Batch


class Relay(Parcel, frozen=True, tag="relay"):
    """Submissions that the sender has waited for too long."""

    submissions: Batch


class Fetch(Parcel, frozen=True, tag="fetch"):
    """Asks for up to ``limit`` ordered entries from ``first`` on."""

    first: Count
    limit: Count


class Entries(Parcel, frozen=True, tag="entries"):
    """Ordered entries, each with its commit certificate."""

    entries: tuple[Entry, ...]


class FetchBatches(Parcel, frozen=True, tag="fetch-batches"):
    """Asks for batches by digest."""

    digests: tuple[Hash, ...]


class Batches(Parcel, frozen=True, tag="batches"):
    """Batches that were asked for; the digest tells which is which."""

    batches: tuple[Batch, ...]


class Stable(Parcel, frozen=True, tag="stable"):
    """The newest stable checkpoint, for a peer that has an older one."""

    checkpoint: StableCheckpoint


Request = Relay | Fetch | Entries | FetchBatches | Batches | Stable
"""What is no signed message: a question, or an answer that proves itself."""
Packet = Vote | Proposal | Request


class Ballot(msgspec.Struct, frozen=True, gc=False):
    """A vote as it is kept: what it is for, and the signed frame."""

    digest: bytes
    frame: bytes


for _type in (*get_args(AnyMessage), *get_args(Packet)):
    _type.kind = str(_type.__struct_config__.tag)
decode_message: Callable[[bytes], AnyMessage] = reader_of(cast("type[AnyMessage]", AnyMessage))
"""The message whose canonical encoding a payload is; raises ``Malformed`` when it is none."""
_BYTES = (b"\xc4", b"\xc5", b"\xc6")
"""Where MessagePack has bytes (bin 8, 16 and 32): as the first thing in a ``Signed``, and in no other
packet, which all begin with their kind."""
_read_packet = reader_of(cast("type[Proposal | Request]", Proposal | Request))


def encode_packet(packet: Packet) -> bytes:
    """The canonical bytes of ``packet``."""
    return packet.frame if isinstance(packet, Vote) else encode(packet)


def decode_packet(frame: bytes) -> Packet:
    """The packet whose canonical encoding is ``frame``; what a ``Vote`` holds is not read yet.

    Raises:
        engine.codec.Malformed: it is none.
    """
    return Vote(frame) if frame[1:2] in _BYTES else _read_packet(frame)
