"""Generations of an agent on disk: which of its keys there are, and which of them is in office.

The first process of an agent has its folder to itself; each successor has one of its own, with its
own key, votes and ledger, so that nothing that an older key signed can be taken for a newer one's.
A successor publishes a claim: its public key, and its signature over the place that it asks for.
"""

from pathlib import Path

import msgspec

from engine.charter import Claim
from engine.codec import Malformed, encode
from engine.founding import publish_key
from engine.genesis import Genesis
from engine.paths import RunPaths
from engine.signing import Domain, Signer, Verifier
from engine.vocabulary import AgentId, AuthorId

MOST_GENERATIONS = 64
"""Successors of one agent in one run; a swarm that needs more has another trouble."""


class Claimed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a successor shows of itself."""

    agent: AgentId
    epoch: int
    """The epoch in which it may be ordered in; it claims anew when that is over."""
    public_key: bytes
    signature: bytes

    def holds(self, constitution: Genesis, verifier: Verifier) -> bool:
        """Whether whoever signed it holds the key, for this epoch of this cluster."""
        claimed = Claim(constitution.cluster, constitution.epoch, self.agent, self.public_key)
        return self.epoch == constitution.epoch and verifier.verify(
            self.public_key, Domain.CLAIM, encode(claimed), self.signature
        )


def publish_claim(
    paths: RunPaths, agent: AgentId, generation: int, constitution: Genesis, signer: Signer
) -> None:
    """Put the claim of a successor where an operator's command looks for it, whole or not at all."""
    claimed = Claim(constitution.cluster, constitution.epoch, agent, signer.public_key)
    signature = signer.sign(Domain.CLAIM, encode(claimed))
    publish_key(paths, AuthorId(f"{agent}.{generation}"), signer)
    path = paths.claim(agent, generation)
    scratch = path.with_suffix(".new")
    scratch.write_bytes(
        msgspec.json.encode(Claimed(agent, constitution.epoch, signer.public_key, signature))
    )
    scratch.replace(path)


def read_claim(path: Path) -> Claimed | None:
    """The claim in a file; None while there is none.

    Raises:
        Malformed: it holds something else; names it and the remedy.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Claimed)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: no claim: {error}; remove it, its agent writes it anew") from None


def generations(paths: RunPaths, agent: AgentId) -> list[int]:
    """The successors of ``agent`` that were ever started, oldest first."""
    prefix = f"{agent}."
    found = (it.name.removeprefix(prefix) for it in paths.agents.glob(f"{prefix}*") if it.is_dir())
    return sorted(int(name) for name in found if name.isdecimal())


def in_office(paths: RunPaths, agent: AgentId, constitution: Genesis) -> int:
    """Which generation of ``agent`` has the key that ``constitution`` names; 0 is the first."""
    wanted = constitution.agent_keys()[agent]
    for generation in generations(paths, agent):
        try:
            claimed = read_claim(paths.claim(agent, generation))
        except Malformed:
            continue
        if claimed is not None and claimed.public_key == wanted:
            return generation
    return 0
