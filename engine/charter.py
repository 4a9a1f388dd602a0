"""Charters: who belongs to a cluster in each epoch, and the one rule for changing that (pure).

The genesis constitutes epoch 0. Every later epoch has a charter: the genesis with another key in the
place of each agent that was replaced. n, f, quorum and places never change. The chain digest that an
epoch begins with is the digest of its charter, as the first one of all is the digest of the genesis;
the charter names the chain digest that went before, so one history has one succession of charters
(``docs/adr/0004``).
"""

from collections.abc import Iterable

import msgspec

from engine.codec import digest_of, encode
from engine.genesis import Genesis, Member
from engine.signing import Domain, Signer, Verifier
from engine.vocabulary import MAX_TEXT, AgentId, AuthorId, Digest, Replaced

MAX_CHANGES = 16
"""Replacements ordered in one epoch; later ones are ignored until the next."""


class Charter(Genesis, frozen=True, forbid_unknown_fields=True):
    """The constitution of an epoch after the first; its keys count from entry ``after`` + 1 on."""

    founded: Digest
    """The cluster's id, which is its genesis's digest for ever."""
    after: int
    """The last entry of the epoch before."""
    chain: Digest
    """The chain digest that the epoch before ended with."""

    @property
    def cluster(self) -> Digest:
        """The id of the cluster, the same in all epochs."""
        return self.founded

    @property
    def base(self) -> tuple[int, Digest]:
        """The entry that this epoch begins after, and the chain digest that it begins with."""
        return self.after, digest_of("charter", encode(self))


class Claim(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a new process signs with its new key: somebody holds it, for this agent in this epoch."""

    cluster: Digest
    epoch: int
    agent: AgentId
    public_key: bytes


def claim(agent: AgentId, constitution: Genesis, signer: Signer) -> bytes:
    """The signature by which ``signer`` claims the place of ``agent`` after this epoch."""
    claimed = Claim(constitution.cluster, constitution.epoch, agent, signer.public_key)
    return signer.sign(Domain.CLAIM, encode(claimed))


class Changes:
    """The replacements that were ordered in one epoch, and the entry with which it ends for them.

    Everyone who follows the log counts them by this one rule, so all end the epoch at one entry.
    """

    def __init__(
        self, constitution: Genesis, verifier: Verifier, period: int, used: Iterable[bytes] = ()
    ) -> None:
        """Begin an epoch under ``constitution``; ``used`` are the keys of all epochs before it.

        ``period`` is the number of entries between two checkpoints.
        """
        self.constitution = constitution
        self.period = period
        self.pending: dict[AgentId, Replaced] = {}
        self.first = 0
        """The entry that ordered the first change; 0 while there is none."""
        self._verifier = verifier
        self.used = {*used, *constitution.author_keys().values()}
        """Every key that anybody ever had or was to have: none of them may come back."""
        self._ordered = 0

    @property
    def boundary(self) -> int | None:
        """The last entry of this epoch; None while nothing changes.

        The first checkpoint a whole window above the first change: whoever votes on a number above
        it has executed the change, and so knows that it must not.
        """
        if not self.first:
            return None
        due = self.first + 2 * self.period
        return -(-due // self.period) * self.period

    def order(self, number: int, author: AuthorId, epoch: int, change: Replaced) -> str:
        """Count one change that stands in entry ``number``; why not, empty when it counts."""
        objection = self._objection(number, author, epoch, change)
        if objection:
            return objection
        self.first = self.first or number
        self._ordered += 1
        self.used.add(change.public_key)
        # A later one for the same agent takes the place of an earlier one.
        self.pending.pop(change.agent, None)
        self.pending[change.agent] = change
        return ""

    def _objection(self, number: int, author: AuthorId, epoch: int, change: Replaced) -> str:
        now = self.constitution
        if author not in now.operators:
            return "its author has no authority for it"
        if epoch != now.epoch:
            return "of another cluster or epoch"
        if change.agent not in now.agent_keys():
            return "no such agent"
        if len(change.command) > MAX_TEXT:
            return f"a text has {len(change.command)} characters; {MAX_TEXT} are allowed"
        if len(change.public_key) != 32 or change.public_key in self.used:
            return "not a new Ed25519 key"
        claimed = encode(Claim(now.cluster, now.epoch, change.agent, change.public_key))
        if not self._verifier.verify(change.public_key, Domain.CLAIM, claimed, change.claim):
            return "nobody proves to hold this key"
        boundary = self.boundary
        if boundary is not None and number > boundary - 2 * self.period:
            return "an epoch is about to begin; order it again in that one"
        if self._ordered >= MAX_CHANGES:
            return f"{MAX_CHANGES} changes wait for the next epoch"
        return ""

    def charter(self, chain: bytes) -> Charter:
        """The constitution of the next epoch, when this one's last entry left ``chain``."""
        now, boundary = self.constitution, self.boundary
        assert boundary is not None, "an epoch ends only when something changes"
        members = tuple(
            Member(
                it.id,
                it.role,
                self.pending[it.id].public_key if it.id in self.pending else it.public_key,
            )
            for it in now.agents
        )
        return Charter(
            name=now.name,
            nonce=now.nonce,
            epoch=now.epoch + 1,
            n=now.n,
            f=now.f,
            agents=members,
            operators=now.operators,
            actuator=now.actuator,
            probe=now.probe,
            policy=now.policy,
            catalogue=now.catalogue,
            manifest=now.manifest,
            founded=now.cluster,
            after=boundary,
            chain=Digest(chain),
        )

    def following(self, charter: Genesis) -> "Changes":
        """The changes of the next epoch: none yet, and no key of this one may come back."""
        return Changes(charter, self._verifier, self.period, self.used)
