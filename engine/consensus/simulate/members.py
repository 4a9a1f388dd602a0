"""A committee for simulation: keys that cost nothing, a genesis, submissions."""

import hashlib

from engine.codec import NO_DIGEST, encode
from engine.genesis import Genesis, Member
from engine.signing import Domain
from engine.vocabulary import AgentId, AuthorId, CommandId, Frozen, Role, Signed, Submission

OPERATOR = AuthorId("operator")


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
        members = tuple(
            Member(agent, Role.DETECTION, self.signers[agent].public_key) for agent in self.ids
        )
        self.genesis = Genesis(
            name=name, nonce=bytes(32), epoch=0, n=n, f=f, agents=members,
            operators={OPERATOR: self.operator.public_key}, actuator=bytes(32), probe=b"",
            policy=NO_DIGEST, catalogue=NO_DIGEST, manifest=NO_DIGEST,
        )  # fmt: skip
        self.verifier = HashVerifier()

    def submission(self, counter: int, author: AuthorId = OPERATOR) -> bytes:
        """An encoded, signed submission."""
        genesis = self.genesis
        signer = self.operator if author == OPERATOR else self.signers[AgentId(author)]
        operation = Frozen(CommandId(f"{author} {counter}"))
        payload = encode(Submission(genesis.cluster, genesis.epoch, author, counter, (operation,)))
        return encode(Signed(payload, signer.sign(Domain.SUBMISSION, payload)))
