"""A committee for simulation: keys that cost nothing, a genesis, a small fleet, submissions."""

import hashlib
from functools import lru_cache

from engine.catalogue import catalogue_digest
from engine.codec import encode
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.consensus.evidence import convicts
from engine.consensus.messages import decode_packet
from engine.consensus.readings import MOST
from engine.consensus.settings import Settings
from engine.council import Council
from engine.genesis import ACTUATOR, Genesis, Member
from engine.policy import DRILL_RULES
from engine.signing import Domain
from engine.topology import CallSpec, Manifest, Objective, ServiceSpec
from engine.vocabulary import (
    AgentId,
    AuthorId,
    CommandId,
    IncidentKey,
    Noted,
    Operation,
    Role,
    ServiceName,
    Signed,
    Submission,
)

OPERATOR = AuthorId("operator")
FRONT, BACK = ServiceName("front"), ServiceName("back")
MANIFEST = Manifest(
    name="sim",
    objective=Objective(FRONT, availability_permille=990, latency_ms=1000, hold_ms=1000),
    service=(ServiceSpec(FRONT, "http", "1.0.0"), ServiceSpec(BACK, "http", "1.0.0")),
    call=(CallSpec(FRONT, BACK),),
)
"""Two services, of which the second can break and be mended."""


class HashSigner:
    """A keyed hash in place of Ed25519: 50 times cheaper, and nobody in a simulation forges it."""

    def __init__(self, seed: bytes) -> None:
        self.public_key = hashlib.blake2b(seed, digest_size=32).digest()

    def sign(self, domain: Domain, payload: bytes) -> bytes:
        """64 bytes that only this key gives for ``payload`` in ``domain``."""
        return hashlib.blake2b(domain.encode() + payload, key=self.public_key).digest()


class HashVerifier:
    """Verifies what ``HashSigner`` signs."""

    def verify(self, public_key: bytes, domain: Domain, payload: bytes, signature: bytes) -> bool:
        """Whether ``sign`` made ``signature``."""
        return hashlib.blake2b(domain.encode() + payload, key=public_key).digest() == signature


class Members:
    """The keys of everyone in one cluster of ``n``."""

    def __init__(self, n: int, f: int, name: str = "sim") -> None:
        self.ids = tuple(AgentId(AuthorId(f"agent-{place}")) for place in range(n))
        self.signers = {agent: HashSigner(f"{name} {agent}".encode()) for agent in self.ids}
        self.operator = HashSigner(f"{name} operator".encode())
        self.actuator = HashSigner(f"{name} actuator".encode())
        roles = tuple(Role)
        members = tuple(
            Member(agent, roles[place % len(roles)], self.signers[agent].public_key)
            for place, agent in enumerate(self.ids)
        )
        self.genesis = Genesis(
            name=name, nonce=bytes(32), epoch=0, n=n, f=f, agents=members,
            operators={OPERATOR: self.operator.public_key}, actuator=self.actuator.public_key,
            probe=b"", policy=DRILL_RULES.digest, catalogue=catalogue_digest(),
            manifest=MANIFEST.digest,
        )  # fmt: skip
        self.verifier = HashVerifier()
        self.name = name
        self._committees: dict[int | None, Committee] = {}
        self.persons = {signer.public_key: agent for agent, signer in self.signers.items()}
        """Whose key each is: an agent's successor is another person with another key."""

    def successor(self, agent: AgentId, generation: int) -> tuple[AgentId, HashSigner]:
        """The person that takes an agent's place as its ``generation``-th successor, and its key."""
        person = AgentId(AuthorId(f"{agent}+{generation}"))
        signer = HashSigner(f"{self.name} {person}".encode())
        self.persons[signer.public_key] = person
        return person, signer

    def epochs(self, settings: Settings, quorum: int | None = None) -> Epochs:
        """The succession of charters, at genesis."""
        return Epochs(self.committee(quorum), settings)

    def committee(self, quorum: int | None = None) -> Committee:
        """The founders, as all machines of one simulation see them.

        They share what was read and what was found good: that follows from a frame and the keys
        alone, so one machine's check is as good as another's.
        """
        founders = self._committees.get(quorum)
        if founders is None:
            founders = self._committees[quorum] = Committee(
                self.genesis, self.verifier, lru_cache(MOST)(decode_packet)
            )
            founders.quorum = quorum or founders.quorum
        return founders

    def council(self, settings: Settings) -> Council:
        """The application at genesis: the same fold that every agent runs."""
        proves = convicts(self.verifier, settings)
        return Council(
            self.genesis, DRILL_RULES, MANIFEST, self.verifier, proves, settings.checkpoint_period
        )

    def signer_of(self, author: AuthorId) -> HashSigner:
        """The key of anyone who may sign a submission."""
        outside = {OPERATOR: self.operator, ACTUATOR: self.actuator}
        return outside[author] if author in outside else self.signers[AgentId(author)]

    def signed(
        self,
        author: AuthorId,
        counter: int,
        *operations: Operation,
        epoch: int = 0,
        signer: HashSigner | None = None,
    ) -> bytes:
        """An encoded submission of ``operations``, signed by ``author`` with its first key."""
        payload = encode(Submission(self.genesis.cluster, epoch, author, counter, operations))
        key = signer or self.signer_of(author)
        return encode(Signed(payload, key.sign(Domain.SUBMISSION, payload)))

    def note(self, counter: int, author: AuthorId = OPERATOR) -> Noted:
        """An operation that moves nothing: a note on no incident."""
        return Noted(CommandId(f"{author} {counter}"), IncidentKey("sim/front#0"), "")

    def submission(self, counter: int, author: AuthorId = OPERATOR, epoch: int = 0) -> bytes:
        """An encoded, signed submission of a note."""
        return self.signed(author, counter, self.note(counter, author), epoch=epoch)
