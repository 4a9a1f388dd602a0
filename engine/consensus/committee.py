"""Who the replicas are, and whether a frame was really signed by one of them."""

from collections.abc import Callable
from functools import lru_cache, partial

from engine.codec import Malformed, encode
from engine.consensus.clients import Key, read_heading, read_signed
from engine.consensus.digests import batch_digest
from engine.consensus.messages import AnyMessage, Message, Packet, decode_message, decode_packet
from engine.consensus.readings import Readings
from engine.genesis import Genesis
from engine.quorum import weak_quorum_of
from engine.signing import Domain, Signer, Verifier
from engine.vocabulary import AgentId, Signed

MOST_DIGESTS = 32
"""Batches whose digest is remembered: as many as are under way, several times over."""


class Refused(ValueError):
    """A frame that is not taken; the message says why. It accuses nobody."""


class OtherEpoch(Refused):
    """A frame of another epoch of this cluster; its signature was not checked."""

    def __init__(self, epoch: int) -> None:
        """``epoch`` is the one that the frame names."""
        super().__init__("of another epoch")
        self.epoch = epoch


class Committee:
    """The members of one cluster and epoch, with the verifier all of them use."""

    def __init__(
        self,
        genesis: Genesis,
        verifier: Verifier,
        unpack: Callable[[bytes], Packet] = decode_packet,
    ) -> None:
        """Take the members from ``genesis``; ``unpack`` is how everyone here decodes packets."""
        self.genesis = genesis
        self.n = genesis.n
        self.f = genesis.f
        self.quorum = genesis.quorum
        self.weak_quorum = weak_quorum_of(genesis.f)
        self.cluster = genesis.cluster
        self.epoch = genesis.epoch
        self.base = genesis.base
        """The entry that this epoch begins after, and the chain digest that it begins with."""
        self.ids: tuple[AgentId, ...] = tuple(member.id for member in genesis.agents)
        self._keys = tuple(member.public_key for member in genesis.agents)
        self._author_keys = genesis.author_keys()
        self.place_of = {agent: place for place, agent in enumerate(self.ids)}.get
        """The replica number of an agent, or None for a stranger."""
        self.verifier = verifier
        self.unpack = unpack
        digest = partial(batch_digest, self.cluster, self.epoch)
        self.digest_of = lru_cache(MOST_DIGESTS)(digest)
        """What replicas vote on, by batch."""
        self._following: Committee | None = None
        self._messages: Readings[AnyMessage] = Readings()
        self._submissions: Readings[Key] = Readings()
        """Frames whose signature was found good."""
        self.known_submission = self._submissions.get
        """Which submission a frame holds that was found good; None for any other frame."""
        self._opened: tuple[bytes, Signed] = (b"", Signed(b"", b""))
        """The frame read last: whoever reads one mostly wants its signature checked next."""
        self._read: Key | None = None
        """Which submission it holds, if it holds one."""

    def amended(self, charter: Genesis) -> "Committee":
        """Whoever counts from ``charter`` on: other keys; n, f and the quorum stay as they are."""
        following = self._following
        if following is None or following.genesis != charter:
            following = self._following = Committee(charter, self.verifier, self.unpack)
            assert (following.n, following.f) == (self.n, self.f), "an epoch changes keys alone"
            following.quorum = self.quorum
        return following

    def key_of(self, replica: int) -> bytes:
        """The public key of a replica by its number."""
        return self._keys[replica]

    def primary_of(self, view: int) -> int:
        """The replica that leads ``view``: fixed for ever, whatever anyone is accused of."""
        return view % self.n

    def sign(self, signer: Signer, message: Message) -> bytes:
        """The encoded ``Signed`` around ``message``."""
        payload = encode(message)
        return encode(Signed(payload, signer.sign(Domain.CONSENSUS, payload)))

    def read(self, frame: bytes) -> AnyMessage:
        """The message inside ``frame``, its signature not yet checked.

        Raises:
            Refused: malformed, or of another cluster or epoch, or of no member.
        """
        good = self._messages.get(frame)
        if good is not None:
            return good
        try:
            envelope = read_signed(frame)
            message = decode_message(envelope.payload)
        except Malformed as error:
            raise Refused(f"malformed: {error}") from None
        if message.cluster != self.cluster:
            raise Refused("of another cluster")
        if message.epoch != self.epoch:
            raise OtherEpoch(message.epoch)
        if message.replica >= self.n:
            raise Refused("of no member")
        self._opened, self._read = (frame, envelope), None
        return message

    def signed(self, frame: bytes, message: AnyMessage) -> bool:
        """Whether the replica that ``message`` names signed ``frame``, from which it was read."""
        if frame in self._messages:
            return True
        last, envelope = self._opened
        if last is not frame:
            envelope = read_signed(frame)
        good = self.verifier.verify(
            self._keys[message.replica], Domain.CONSENSUS, envelope.payload, envelope.signature
        )
        if good:
            self._messages.keep(frame, message)
        return good

    def open(self, frame: bytes) -> AnyMessage:
        """The message inside ``frame``, signed by the member that it names.

        Raises:
            Refused: it cannot be read or its signature is wrong.
        """
        message = self.read(frame)
        if not self.signed(frame, message):
            raise Refused("signature does not fit")
        return message

    def read_submission(self, frame: bytes) -> Key:
        """Which submission ``frame`` holds, its signature not yet checked.

        Raises:
            Refused: malformed, of another cluster or epoch, or of an unknown author.
        """
        good = self._submissions.get(frame)
        if good is not None:
            return good
        if self._opened[0] is frame and self._read is not None:
            return self._read
        try:
            envelope = read_signed(frame)
            heading = read_heading(envelope.payload)
        except Malformed as error:
            raise Refused(f"malformed submission: {error}") from None
        if heading.cluster != self.cluster or heading.epoch != self.epoch:
            raise Refused("submission for another cluster or epoch")
        if heading.author not in self._author_keys:
            raise Refused("submission of an unknown author")
        if not 0 <= heading.counter < 2**62:
            raise Refused("submission with an impossible counter")
        key = heading.author, heading.counter
        self._opened, self._read = (frame, envelope), key
        return key

    def open_submission(self, frame: bytes) -> Key:
        """Which submission ``frame`` holds, signed by its author.

        Raises:
            Refused: it cannot be read or its signature is wrong.
        """
        key = self.read_submission(frame)
        if self.known_submission(frame) is not None:
            return key
        last, envelope = self._opened
        assert last is frame, "read just now"
        public_key = self._author_keys[key[0]]
        if not self.verifier.verify(
            public_key, Domain.SUBMISSION, envelope.payload, envelope.signature
        ):
            raise Refused("signature of the submission does not fit")
        self._submissions.keep(frame, key)
        return key
