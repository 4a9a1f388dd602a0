"""How a transcript says a message: short, and with batches by the letters of their submissions."""

from engine.codec import decode
from engine.consensus.committee import Committee
from engine.consensus.evidence import Evidence
from engine.consensus.messages import (
    AnyMessage,
    Batches,
    Checkpoint,
    Commit,
    Entries,
    Fetch,
    FetchBatches,
    NewView,
    Ordered,
    Packet,
    Prepare,
    PrePrepare,
    Proposal,
    Relay,
    Stable,
    Status,
    ViewChange,
    Vote,
)
from engine.vocabulary import Signed, Submission

FIRST = ord("a")


class Wording:
    """Puts messages of one committee into words."""

    def __init__(self, committee: Committee, null: bytes) -> None:
        """``null`` is the digest of the null batch."""
        self._committee = committee
        self._batches = {null: "[]"}

    def learn(self, digest: bytes, batch: tuple[bytes, ...]) -> str:
        """The words for a batch, and from now on for its digest."""
        letters = [
            chr(FIRST + decode(decode(frame, Signed).payload, Submission).counter)
            for frame in batch
        ]
        self._batches[digest] = f"[{' '.join(letters)}]"
        return self._batches[digest]

    def batch(self, digest: bytes) -> str:
        """The words for a digest."""
        return self._batches.get(digest, "[?]")

    def packet(self, packet: Packet) -> str:
        """One packet."""
        match packet:
            case Vote() | Proposal():
                return self.message(self._committee.read(packet.frame))
            case Relay():
                return f"relay of {len(packet.submissions)}"
            case Fetch():
                return f"fetch from #{packet.first}"
            case Entries():
                numbers = [f"#{entry.sequence_number}" for entry in packet.entries]
                return f"entries {' '.join(numbers) or 'none'}"
            case FetchBatches():
                return f"fetch-batches {' '.join(map(self.batch, packet.digests))}"
            case Batches():
                return f"batches ({len(packet.batches)})"
            case Stable():
                return f"stable #{packet.checkpoint.sequence_number}"

    def message(self, message: AnyMessage) -> str:
        """One signed message."""
        word = message.kind
        match message:
            case PrePrepare() | Prepare() | Commit():
                place = f"v{message.view} #{message.sequence_number}"
                return f"{word} {place} {self.batch(message.digest)}"
            case Checkpoint() | Ordered():
                return f"{word} #{message.sequence_number}"
            case ViewChange():
                shown = [self._shown(proof.pre_prepare) for proof in message.prepared]
                stable = message.stable.sequence_number
                above = f" above #{stable}" if stable else ""
                return f"{word} to v{message.view}{above}, prepared {', '.join(shown) or 'nothing'}"
            case NewView():
                begins = [self._shown(frame) for frame in message.pre_prepares]
                return f"{word} v{message.view}, begins with {', '.join(begins) or 'nothing'}"
            case Status():
                return f"{word} v{message.view} at #{message.executed}"

    def _shown(self, frame: bytes) -> str:
        header = self._committee.read(frame)
        assert isinstance(header, PrePrepare)
        return f"#{header.sequence_number} {self.batch(header.digest)} of v{header.view}"

    def evidence(self, evidence: Evidence) -> str:
        """What somebody is accused of."""
        return f"evidence of {evidence.kind} against {evidence.culprit.removeprefix('agent-')}"
