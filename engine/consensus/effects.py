"""What goes into a replica and what comes out: plain values, the whole interface of the core."""

import msgspec

from engine.charter import Charter
from engine.consensus.evidence import Evidence
from engine.consensus.messages import Prepared, StableCheckpoint
from engine.vocabulary import AgentId, Entry


class Value(msgspec.Struct, frozen=True, gc=False):
    """A plain event or effect."""


# --- events ----------------------------------------------------------------------------------


class Receive(Value, frozen=True):
    """A packet came over the channel that only ``peer`` can write to."""

    peer: AgentId
    frame: bytes


class Submit(Value, frozen=True):
    """An author asks to have an encoded ``Signed`` submission ordered."""

    submission: bytes


class Tick(Value, frozen=True):
    """The time, as a monotonic clock has it. Nothing else in a replica knows of time."""

    now_ms: int


Event = Receive | Submit | Tick


# --- what is kept across a crash ---------------------------------------------------------------


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """One line of the vote log."""


class Voted(Record, frozen=True, tag="voted"):
    """A message that this replica signed; on disk before anyone else sees it."""

    frame: bytes


class Accepted(Record, frozen=True, tag="accepted"):
    """A PRE-PREPARE that this replica took, with its batch."""

    frame: bytes
    batch: tuple[bytes, ...]


class Certified(Record, frozen=True, tag="certified"):
    """A proof that something was prepared; on disk before the COMMIT that rests on it."""

    proof: Prepared


class Entered(Record, frozen=True, tag="entered"):
    """The NEW-VIEW by which this replica entered its view."""

    frame: bytes


class Settled(Record, frozen=True, tag="settled"):
    """The stable checkpoint; nothing at or below it needs votes any more."""

    checkpoint: StableCheckpoint


class Began(Record, frozen=True, tag="began"):
    """The charter under which this replica votes since, with the proof that its epoch began.

    Authors are told of the epoch by the same words.
    """

    charter: Charter
    proof: tuple[bytes, ...]
    """A quorum's CHECKPOINTs at the boundary; empty where entries of the new epoch told of it."""


AnyRecord = Voted | Accepted | Certified | Entered | Settled | Began


# --- effects, to be carried out strictly in order ----------------------------------------------


class Persist(Value, frozen=True):
    """Append to the vote log; durable before any later effect."""

    records: tuple[AnyRecord, ...]


class Compact(Value, frozen=True):
    """Replace the whole vote log by these, whole or not at all."""

    records: tuple[AnyRecord, ...]


class Broadcast(Value, frozen=True):
    """Send a packet to all other replicas; ``status`` says that followers read it too."""

    frame: bytes
    status: bool = False


class Send(Value, frozen=True):
    """Send a packet to one replica."""

    peer: AgentId
    frame: bytes


class Serve(Value, frozen=True):
    """Read entries from the ledger and send them to one replica."""

    peer: AgentId
    first: int
    limit: int


class Execute(Value, frozen=True):
    """Append the next entry to the ledger and hand it on; ``chain`` is the chain digest after."""

    entry: Entry
    chain: bytes


class Acknowledge(Value, frozen=True):
    """A signed ``Ordered``, for the authors."""

    frame: bytes


class ReportEvidence(Value, frozen=True):
    """Proof that somebody lied, for the council to order if it is orderable."""

    evidence: Evidence


class Halted(Value, frozen=True):
    """This replica takes no further part: proofs against more than f were found. People must look.

    It still says where it is and gives others entries.
    """

    proven: tuple[AgentId, ...]


class Retired(Value, frozen=True):
    """Another key has taken this replica's place: it takes no further part."""

    epoch: int


class Trace(Value, frozen=True):
    """What became of one message, for screens."""

    sender: AgentId
    kind: str
    view: int
    sequence_number: int
    digest: bytes
    refused: str = ""


Effect = (
    Persist
    | Compact
    | Broadcast
    | Send
    | Serve
    | Execute
    | Acknowledge
    | ReportEvidence
    | Halted
    | Retired
    | Trace
)
