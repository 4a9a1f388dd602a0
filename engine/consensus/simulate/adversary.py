"""How a traitor with its own key may behave: each way alters what its honest replica would say.

A liar runs the real replica and signs with its own key only. ``alter`` turns one frame to one peer
into what really goes out; ``noise`` is what it says unasked. Two replicas with one key (twins) and
lost vote logs need no code here: the cluster starts them.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from engine.codec import Malformed, encode
from engine.consensus.committee import Refused
from engine.consensus.digests import batch_digest
from engine.consensus.messages import (
    AnyMessage,
    Checkpoint,
    Commit,
    Message,
    NewView,
    Packet,
    Prepare,
    Prepared,
    PrePrepare,
    Proposal,
    StableCheckpoint,
    Status,
    ViewChange,
    Vote,
)
from engine.consensus.simulate.members import Members
from engine.genesis import Genesis
from engine.vocabulary import AgentId

Outgoing = list[tuple[int, bytes]]
"""Frames with the extra delay that each is given, in ms."""

TWINS = "twins"
AMNESIAC = "amnesiac"
TWO_ANSWERS = "two-answers"
FRAMING = "framing"
REMEMBERED = 64
"""Frames that a replaying liar keeps."""


class Liar:
    """One traitor: the ways in which it lies now, and what it needs for them."""

    def __init__(self, members: Members, agent: AgentId, chance: random.Random) -> None:
        self.members = members
        self.agent = agent
        self.chance = chance
        self.signer = members.signers[agent]
        self.committee = members.committee()
        self.place = members.ids.index(agent)
        self.ways: set[str] = set()
        self.fooled = {peer for peer in members.ids if chance.random() < 0.5}
        """Peers that are told the other story."""
        self.heard: deque[bytes] = deque(maxlen=REMEMBERED)
        self.made_up: list[bytes] = []
        """Submissions that it invented, for the checker to know that somebody signed them."""
        self._notes: dict[tuple[int, int], bytes] = {}

    def alter(self, peer: AgentId, frame: bytes) -> Outgoing:
        """What goes to ``peer`` in place of ``frame``."""
        outgoing: Outgoing = [(0, frame)]
        for way in sorted(self.ways & ALTERING.keys()):
            outgoing = [
                (delay + more, altered)
                for delay, earlier in outgoing
                for more, altered in ALTERING[way](self, peer, earlier)
            ]
        return outgoing

    def keep_up(self, constitution: Genesis) -> None:
        """Lie in the epoch of ``constitution`` from now on."""
        if constitution.epoch != self.committee.epoch:
            self.committee = self.committee.amended(constitution)
            self._notes.clear()

    def noise(self, peer: AgentId, view: int, number: int) -> Iterable[bytes]:
        """What it says to ``peer`` unasked, at a tick."""
        if "flood" in self.ways and self.chance.random() < 0.3:
            yield from (self._spam(view, number) for _ in range(8))
        if "forging" in self.ways and self.chance.random() < 0.3:
            yield self._forged(view, number)

    def sign(self, message: Message) -> bytes:
        """Its own signature, and never another's."""
        return self.committee.sign(self.signer, message)

    def note(self, view: int, number: int) -> bytes:
        """A submission of its own that no honest replica has seen, one a place."""
        kept = self._notes.get((view, number))
        if kept is None:
            counter = 10_000_000 + 100_000 * self.committee.epoch + len(self._notes)
            note = self.members.note(counter, self.agent)
            kept = self._notes[view, number] = self.members.signed(
                self.agent, counter, note, epoch=self.committee.epoch, signer=self.signer
            )
            self.made_up.append(kept)
        return kept

    def _spam(self, view: int, number: int) -> bytes:
        draw = self.chance.random()
        if draw < 0.3:
            return self.chance.randbytes(40)
        head = (self.committee.cluster, self.committee.epoch, self.place)
        ahead = view + self.chance.randrange(1, 50) if draw < 0.7 else view
        place = number + self.chance.randrange(200)
        return self.sign(Prepare(*head, ahead, place, self.chance.randbytes(32)))

    def _forged(self, view: int, number: int) -> bytes:
        victim = self.chance.randrange(self.committee.n)
        vote = Commit(
            self.committee.cluster, self.committee.epoch, victim, view, number + 1,
            self.chance.randbytes(32),
        )  # fmt: skip
        return self.sign(vote)

    def read(self, frame: bytes) -> tuple[Packet | None, AnyMessage | None]:
        """A frame opened, as far as it can be: an earlier lie may have spoiled it."""
        try:
            packet = self.committee.unpack(frame)
            if isinstance(packet, (Vote, Proposal)):
                return packet, self.committee.read(packet.frame)
        except (Malformed, Refused):
            return None, None
        return packet, None


# --- ways of lying -------------------------------------------------------------------------------


def _silent(_liar: Liar, _peer: AgentId, _frame: bytes) -> Outgoing:
    return []


def _delaying(liar: Liar, _peer: AgentId, frame: bytes) -> Outgoing:
    return [(liar.chance.randrange(100, 900), frame)]


def _tampering(liar: Liar, _peer: AgentId, frame: bytes) -> Outgoing:
    if liar.chance.random() < 0.5:
        return [(0, frame)]
    at = liar.chance.randrange(len(frame))
    flipped = frame[at] ^ (1 << liar.chance.randrange(8))
    return [(0, frame[:at] + bytes([flipped]) + frame[at + 1 :])]


def _conflicting_votes(liar: Liar, peer: AgentId, frame: bytes) -> Outgoing:
    _, message = liar.read(frame)
    if peer not in liar.fooled or not isinstance(message, (Prepare, Commit)):
        return [(0, frame)]
    other = msgspec.structs.replace(message, digest=_other(message.digest))
    return [(0, liar.sign(other))]


def _equivocating_primary(liar: Liar, peer: AgentId, frame: bytes) -> Outgoing:
    packet, message = liar.read(frame)
    told = peer in liar.fooled and isinstance(packet, Proposal)
    if not told or not isinstance(message, PrePrepare):
        return [(0, frame)]
    batch = (liar.note(message.view, message.sequence_number),)
    digest = batch_digest(liar.committee.cluster, liar.committee.epoch, batch)
    header = liar.sign(msgspec.structs.replace(message, digest=digest))
    return [(0, encode(Proposal(header, batch)))]


def _withholding(liar: Liar, _peer: AgentId, frame: bytes) -> Outgoing:
    _, message = liar.read(frame)
    return [] if isinstance(message, NewView) else [(0, frame)]


def _forged_view_change(liar: Liar, peer: AgentId, frame: bytes) -> Outgoing:
    _, message = liar.read(frame)
    if not isinstance(message, ViewChange):
        return [(0, frame)]
    if peer in liar.fooled:
        # Stale: nothing was ever prepared, and nothing is stable. Nobody can disprove it.
        genesis = StableCheckpoint(0, liar.committee.cluster, ())
        lie = msgspec.structs.replace(message, stable=genesis, prepared=())
    else:
        lie = msgspec.structs.replace(message, prepared=(_made_up(liar, message),))
    return [(0, liar.sign(lie))]


def _made_up(liar: Liar, message: ViewChange) -> Prepared:
    """A proof of something that was never prepared: all of its votes signed by the liar."""
    view, number = message.view - 1, message.stable.sequence_number + 1
    c, digest = liar.committee, liar.chance.randbytes(32)
    votes = tuple(
        liar.sign(Prepare(c.cluster, c.epoch, place, view, number, digest))
        for place in range(c.n)
        if place != c.primary_of(view)
    )
    header = PrePrepare(c.cluster, c.epoch, c.primary_of(view), view, number, digest)
    return Prepared(liar.sign(header), votes[: c.quorum - 1])


def _bad_new_view(liar: Liar, _peer: AgentId, frame: bytes) -> Outgoing:
    _, message = liar.read(frame)
    if not isinstance(message, NewView):
        return [(0, frame)]
    if message.pre_prepares:
        lie = msgspec.structs.replace(message, pre_prepares=message.pre_prepares[:-1])
    else:
        lie = msgspec.structs.replace(message, view_changes=message.view_changes[:-1])
    return [(0, liar.sign(lie))]


def _lying_checkpoint(liar: Liar, peer: AgentId, frame: bytes) -> Outgoing:
    _, message = liar.read(frame)
    if peer not in liar.fooled or not isinstance(message, (Checkpoint, Status)):
        return [(0, frame)]
    lie = msgspec.structs.replace(message, chain=_other(message.chain))
    return [(0, liar.sign(lie))]


def _replay(liar: Liar, _peer: AgentId, frame: bytes) -> Outgoing:
    liar.heard.append(frame)
    if liar.chance.random() < 0.3:
        return [(0, frame), (0, liar.chance.choice(liar.heard))]
    return [(0, frame)]


def _other(digest: bytes) -> bytes:
    return bytes([digest[0] ^ 1]) + digest[1:]


ALTERING: dict[str, Callable[[Liar, AgentId, bytes], Outgoing]] = {
    "silent": _silent,
    "delaying": _delaying,
    "tampering": _tampering,
    "conflicting-votes": _conflicting_votes,
    "equivocating-primary": _equivocating_primary,
    "withholding-new-view": _withholding,
    "forged-view-change": _forged_view_change,
    "bad-new-view": _bad_new_view,
    "lying-checkpoint": _lying_checkpoint,
    "replay": _replay,
}
WAYS = (*ALTERING, "flood", "forging", TWO_ANSWERS, FRAMING, TWINS, AMNESIAC)
"""Every way in which a scenario may draw a liar."""
