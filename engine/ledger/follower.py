"""How whoever has no vote follows the log: entries that prove themselves, in sequence, sealed."""

import asyncio
from collections.abc import Callable, Sequence

from engine.clock import Clock
from engine.codec import Malformed, decode, encode
from engine.consensus.announce import Announced, LedgerFetch
from engine.consensus.certificate import Seal, Unproven, check_entry, seal_from
from engine.consensus.committee import Committee, OtherEpoch, Refused
from engine.consensus.epochs import Epochs
from engine.consensus.messages import Status, Vote, decode_packet
from engine.genesis import Genesis
from engine.ledger.sqlite import SqliteLedger
from engine.ports import Bus
from engine.signing import Verifier
from engine.vocabulary import AgentId, AuthorId, Entry

MOST_AHEAD = 64
"""Entries kept that came before the one that is next."""
LOOK_EVERY_S = 0.25
FETCH_ENTRIES = 64
_STAMP = 8
"""Bytes before each Status on the bus: its sender's clock."""


class Follower:
    """Which entries come next, and what seals the head (pure)."""

    def __init__(self, epochs: Epochs) -> None:
        """Start after the head that ``epochs`` has come to; it is this follower's own."""
        self._epochs = epochs
        self._ahead: dict[int, Entry] = {}
        self._statuses: dict[int, tuple[Status, bytes]] = {}
        self.refused = 0
        """Entries and statuses that proved nothing."""
        self._further: set[AgentId] = set()
        """Agents that spoke of an epoch whose keys are not known here yet."""

    @property
    def head(self) -> tuple[int, bytes]:
        """The last entry taken, and the chain digest after it."""
        return self._epochs.head

    @property
    def constitution(self) -> Genesis:
        """By which the next entry counts."""
        return self._epochs.constitution

    def offer(self, entry: Entry) -> Sequence[Entry]:
        """The verified entries that can be appended now that ``entry`` is here."""
        number = entry.sequence_number
        if number <= self.head[0] or number in self._ahead:
            return ()
        last = self._epochs.boundary
        if number > self.head[0] + MOST_AHEAD or (last is not None and number > last):
            return ()
        try:
            check_entry(entry, self._epochs.committee)
        except Unproven:
            self.refused += 1
            return ()
        self._ahead[number] = entry
        taken = []
        while (following := self._ahead.pop(self.head[0] + 1, None)) is not None:
            if self._epochs.take(following):
                # What came from ahead, or from where, was said by the keys of the old epoch.
                self._ahead.clear()
                self._statuses.clear()
                self._further.clear()
            taken.append(following)
        return taken

    def hear(self, agent: AgentId, frame: bytes) -> None:
        """Note where a replica says that its ledger ends; ``agent`` sent the frame."""
        committee = self._epochs.committee
        try:
            status = committee.open(frame)
        except OtherEpoch as error:
            # Nobody is believed: whoever has more is asked for entries, and these prove themselves.
            if error.epoch > committee.epoch and committee.place_of(agent) is not None:
                self._further.add(agent)
            return
        except Refused:
            self.refused += 1
            return
        if isinstance(status, Status):
            self._statuses[status.replica] = (status, frame)

    def seal(self) -> Seal | None:
        """The seal of the present head, if a quorum was heard to be there."""
        frames = (frame for status, frame in self._statuses.values() if self._is_at_head(status))
        return seal_from(frames, *self.head, self._epochs.committee)

    def _is_at_head(self, status: Status) -> bool:
        return (status.executed, status.chain) == self.head

    def ahead(self) -> Sequence[AgentId]:
        """The agents that say that they have more."""
        places = sorted(
            place for place, (it, _) in self._statuses.items() if it.executed > self.head[0]
        )
        ids = self._epochs.committee.ids
        return [*(ids[place] for place in places), *sorted(self._further)]


class LedgerFollower:
    """Follows the log over the bus into a ledger of its own."""

    def __init__(
        self,
        bus: Bus,
        genesis: Genesis,
        verifier: Verifier,
        store: SqliteLedger,
        clock: Clock,
        on_entry: Callable[[Entry, int], None],
        *,
        name: str = "engine",
    ) -> None:
        """Append what is verified to ``store``, then hand it to ``on_entry`` with its receipt."""
        committee = Committee(genesis, verifier)
        self._bus = bus
        self._store = store
        self._clock = clock
        self._on_entry = on_entry
        self._name = name
        self._agents = committee.ids
        self._core = Follower(Epochs(committee, head=store.head, kept=store.epochs.kept()))
        self._sealed = store.seal.sequence_number if store.seal is not None else -1
        self._asked = 0

    @property
    def sealed(self) -> bool:
        """Whether a quorum has confirmed that the ledger ends where it ends here."""
        return self._sealed == self._core.head[0]

    async def run(self) -> None:
        """Follow until cancelled."""
        for agent in self._agents:
            await self._bus.subscribe(f"ledger.{agent}", self._announced)
            await self._bus.subscribe(f"head.{agent}", self._said)
        seen = self._core.head[0]
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            # Whoever moved since the last look is being told; whoever did not has missed something.
            if self._core.head[0] == seen:
                await self._fetch()
            seen = self._core.head[0]

    async def _fetch(self) -> None:
        ahead = self._core.ahead()
        if ahead:
            self._asked += 1
            agent = ahead[self._asked % len(ahead)]
            asked = LedgerFetch(agent, self._core.head[0] + 1, FETCH_ENTRIES)
            await self._bus.publish(f"fetch.{self._name}", encode(asked))

    def _announced(self, _subject: str, payload: bytes) -> None:
        received_ns = self._clock.monotonic_ns()
        try:
            announced = decode(payload, Announced)
        except Malformed:
            self._core.refused += 1
            return
        if entries := self._core.offer(announced.entry):
            self._store.append(entries, received_ns)
        for entry in entries:
            self._on_entry(entry, received_ns)
        self._keep_seal()

    @property
    def constitution(self) -> Genesis:
        """The genesis or the charter by which the next entry counts."""
        return self._core.constitution

    @property
    def executed(self) -> int:
        """Number of the last entry that was taken."""
        return self._core.head[0]

    def _said(self, subject: str, payload: bytes) -> None:
        try:
            packet = decode_packet(payload[_STAMP:])
        except Malformed:
            self._core.refused += 1
            return
        if isinstance(packet, Vote):
            self._core.hear(AgentId(AuthorId(subject.split(".")[1])), packet.frame)
            self._keep_seal()

    def _keep_seal(self) -> None:
        if self.sealed:
            return
        seal = self._core.seal()
        if seal is not None:
            self._store.keep_seal(seal)
            self._sealed = seal.sequence_number
