"""A committee with real keys, whose every signature is counted."""

from engine.bench.counting import CountingSigner, Tally
from engine.codec import NO_DIGEST, encode
from engine.genesis import Genesis, Member
from engine.signing import Domain, Ed25519Signer
from engine.vocabulary import (
    AgentId,
    AuthorId,
    CommandId,
    Frozen,
    Operation,
    Role,
    Signed,
    Submission,
)

OPERATOR = AuthorId("operator")


class Bench:
    """The keys and the genesis of ``n`` replicas, and what their author submits."""

    def __init__(self, n: int, tally: Tally) -> None:
        """Make new keys for as many faults as ``n`` bears."""
        self.tally = tally
        self.ids = tuple(AgentId(AuthorId(f"agent-{place}")) for place in range(n))
        self.signers = {it: CountingSigner(Ed25519Signer.generate(), tally) for it in self.ids}
        self.operator = CountingSigner(Ed25519Signer.generate(), tally)
        members = tuple(
            Member(agent, Role.DETECTION, self.signers[agent].public_key) for agent in self.ids
        )
        self.genesis = Genesis(
            name="bench", nonce=bytes(32), epoch=0, n=n, f=(n - 1) // 3, agents=members,
            operators={OPERATOR: self.operator.public_key},
            actuator=Ed25519Signer.generate().public_key, probe=b"",
            policy=NO_DIGEST, catalogue=NO_DIGEST, manifest=NO_DIGEST,
        )  # fmt: skip
        self._cluster = self.genesis.cluster
        self._counter = 0

    def operations(self, count: int) -> tuple[Operation, ...]:
        """``count`` small operations."""
        return tuple(Frozen(CommandId(f"{self._counter}-{number}")) for number in range(count))

    def submission(self, operations: tuple[Operation, ...]) -> bytes:
        """The next submission, one signature over all its operations."""
        self._counter += 1
        epoch = self.genesis.epoch
        payload = encode(Submission(self._cluster, epoch, OPERATOR, self._counter, operations))
        return encode(Signed(payload, self.operator.sign(Domain.SUBMISSION, payload)))
