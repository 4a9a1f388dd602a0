"""Genesis: who belongs to the cluster and by which rules. The first entry of every ledger."""

import json
from pathlib import Path

import msgspec

from engine.codec import Malformed, digest_of, encode
from engine.quorum import quorum_of
from engine.vocabulary import AgentId, AuthorId, Digest, Role


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One agent: replica number is its place in ``Genesis.agents``."""

    id: AgentId
    role: Role
    public_key: bytes


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The constitution of a cluster; its digest is the cluster id."""

    name: str
    nonce: bytes
    """32 random bytes: two clusters of the same members are two clusters."""
    epoch: int
    n: int
    f: int
    agents: tuple[Member, ...]
    operators: dict[AuthorId, bytes]
    actuator: bytes
    probe: bytes
    """Public key of the SLO probe; empty where the fleet has none."""
    policy: Digest
    catalogue: Digest
    manifest: Digest

    @property
    def cluster(self) -> Digest:
        """The cluster id: a digest of everything above."""
        return digest_of("genesis", encode(self))

    @property
    def base(self) -> tuple[int, Digest]:
        """The entry that this epoch begins after, and the chain digest that it begins with."""
        return 0, self.cluster

    @property
    def quorum(self) -> int:
        """Votes in a certificate: the smallest safe number, ``(n + f + 2) // 2``."""
        return quorum_of(self.n, self.f)

    def author_keys(self) -> dict[AuthorId, bytes]:
        """The public key of everyone who may sign a submission."""
        keys = {AuthorId(member.id): member.public_key for member in self.agents}
        keys |= self.operators
        keys[ACTUATOR] = self.actuator
        if self.probe:
            keys[PROBE] = self.probe
        return keys

    def agent_keys(self) -> dict[AgentId, bytes]:
        """The public key of each agent."""
        return {member.id: member.public_key for member in self.agents}


ACTUATOR = AuthorId("actuator")
PROBE = AuthorId("probe")


def write(genesis: Genesis, path: Path) -> None:
    """Write ``genesis`` as readable JSON (bytes in base64), whole or not at all."""
    text = json.dumps(json.loads(msgspec.json.encode(genesis)), indent=2)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text + "\n")
    scratch.replace(path)


def objection_to(genesis: Genesis) -> str:
    """Why ``genesis`` can constitute no cluster; empty when it can.

    One key must be one voice, and a name must mean one office: else somebody could vote twice, or
    an operator could pass for the actuator.
    """
    if len(genesis.agents) != genesis.n:
        return f"n is {genesis.n} but {len(genesis.agents)} agents are listed"
    try:
        quorum_of(genesis.n, genesis.f)
    except ValueError as error:
        return str(error)
    agents = [AuthorId(member.id) for member in genesis.agents]
    names = [*agents, *genesis.operators, ACTUATOR, PROBE]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"{twice[0]!r} is named twice"
    if not all(names):
        return "somebody has no name"
    keys = [member.public_key for member in genesis.agents]
    keys += [*genesis.operators.values(), genesis.actuator]
    keys += [genesis.probe] if genesis.probe else []
    if any(len(key) != 32 for key in keys):
        return "a public key is not 32 bytes long"
    if len(set(keys)) != len(keys):
        return "two share a key, so one of them could speak as both"
    if any(len(one) != 32 for one in (genesis.policy, genesis.catalogue, genesis.manifest)):
        return "a digest is not 32 bytes long"
    if not 0 <= genesis.epoch < 1 << 62:
        return f"epoch {genesis.epoch} is impossible"
    return ""


def read(path: Path) -> Genesis:
    """The genesis in a JSON file.

    Raises:
        Malformed: the file is missing or is no genesis; names the file, the place and the remedy.
    """
    try:
        genesis = msgspec.json.decode(path.read_bytes(), type=Genesis)
    except OSError as error:
        raise Malformed(f"{path}: cannot read the genesis: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{path}: no genesis: {error}; restore the file from the cluster") from None
    objection = objection_to(genesis)
    if objection:
        raise Malformed(f"{path}: {objection}; restore the file from the cluster")
    return genesis
