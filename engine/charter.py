"""Charters: who belongs to a cluster in each epoch, by which policy, and how that changes (pure).

The genesis constitutes epoch 0. Every later epoch has a charter: the genesis with another key in the
place of each agent that was replaced, and with the policy that was ordered last. n, f, quorum and
places never change, nor do catalogue and manifest. The chain digest that an epoch begins with is the
digest of its charter, as the first one of all is the digest of the genesis; the charter names the
chain digest that went before, so one history has one succession of charters (``docs/adr/0004``).
"""

from collections.abc import Iterable

import msgspec

from engine.codec import Malformed, digest_of, encode
from engine.genesis import Genesis, Member
from engine.policy import Rules, changes_in_words, ordered_rules
from engine.signing import Domain, Signer, Verifier
from engine.vocabulary import MAX_TEXT, AgentId, AuthorId, Configured, Digest, Replaced

MAX_CHANGES = 16
"""Counted in one epoch; later ones are ignored until the next."""

Change = Replaced | Configured
"""What an operator may order for the next epoch."""


class Amended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an epoch begins with when its policy is another one than the genesis pins."""

    chain: Digest
    rules: Rules


class Charter(Genesis, frozen=True, forbid_unknown_fields=True):
    """The constitution of an epoch after the first; its keys count from entry ``after`` + 1 on."""

    founded: Digest
    """The cluster's id, which is its genesis's digest for ever."""
    after: int
    """The last entry of the epoch before."""
    begins: Digest | Amended = msgspec.field(name="chain")
    """The chain digest that the epoch before ended with, and the policy if it was ever changed.

    A field for the policy alone would change the digests of all charters that have none.
    """

    def __post_init__(self) -> None:
        """Refuse rules that are not those of the digest that certificates name."""
        if self.rules is not None and self.rules.digest != self.policy:
            raise ValueError("its rules are not those of its policy")

    @property
    def chain(self) -> Digest:
        """The chain digest that the epoch before ended with."""
        return self.begins.chain if isinstance(self.begins, Amended) else self.begins

    @property
    def rules(self) -> Rules | None:
        """The policy in force, which so everybody holds who holds the charter; None for the genesis's."""
        return self.begins.rules if isinstance(self.begins, Amended) else None

    @property
    def cluster(self) -> Digest:
        """The id of the cluster, the same in all epochs."""
        return self.founded

    @property
    def base(self) -> tuple[int, Digest]:
        """The entry that this epoch begins after, and the chain digest that it begins with."""
        return self.after, digest_of("charter", encode(self))


def rules_of(constitution: Genesis, founding: Rules) -> Rules:
    """The policy in force under ``constitution``, in a cluster founded with the rules ``founding``."""
    own = constitution.rules if isinstance(constitution, Charter) else None
    return founding if own is None else own


def difference_in_words(charter: Genesis, before: Genesis, founding: Rules) -> str:
    """What ``charter`` changes of the constitution of the epoch before, for people."""
    old, keys = before.agent_keys(), charter.agent_keys()
    replaced = sorted(agent for agent, key in keys.items() if old[agent] != key)
    words = [f"another key for {', '.join(replaced)}"] if replaced else []
    rules = changes_in_words(rules_of(before, founding), rules_of(charter, founding))
    words += [f"policy {', '.join(rules)}"] if rules else []
    return "; ".join(words) or "what was ordered was taken back"


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
    """The changes that were ordered in one epoch, and the entry with which it ends for them.

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
        self.ordered: list[Change] = []
        """Those that count, in the log's order."""
        self.first = 0
        """The entry that ordered the first change; 0 while there is none."""
        self._verifier = verifier
        self.used = {*used, *constitution.author_keys().values()}
        """Every key that anybody ever had or was to have: none of them may come back."""

    def resume(self, ordered: Iterable[Change], first: int, used: Iterable[bytes]) -> None:
        """Go on with what was counted in this epoch before."""
        self.ordered, self.first = list(ordered), first
        self.used.update(used)

    @property
    def pending(self) -> dict[AgentId, Replaced]:
        """Whose key changes: a later order for an agent takes the place of an earlier one."""
        return {it.agent: it for it in self.ordered if isinstance(it, Replaced)}

    @property
    def rules(self) -> Rules | None:
        """The policy that was ordered last; None when none was."""
        found = [it.rules for it in self.ordered if isinstance(it, Configured)]
        return ordered_rules(found[-1]) if found else None

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

    def order(self, number: int, author: AuthorId, epoch: int, change: Change) -> str:
        """Count one change that stands in entry ``number``; why not, empty when it counts."""
        objection = self._objection(number, author, epoch, change)
        if objection:
            return objection
        self.first = self.first or number
        self.ordered.append(change)
        if isinstance(change, Replaced):
            self.used.add(change.public_key)
        return ""

    def _objection(self, number: int, author: AuthorId, epoch: int, change: Change) -> str:
        if author not in self.constitution.operators:
            return "its author has no authority for it"
        if epoch != self.constitution.epoch:
            return "of another cluster or epoch"
        if len(change.command) > MAX_TEXT:
            return f"a text has {len(change.command)} characters; {MAX_TEXT} are allowed"
        if isinstance(change, Replaced):
            objection = self._objection_to_key(change)
        else:
            objection = self._objection_to_rules(change)
        if objection:
            return objection
        boundary = self.boundary
        if boundary is not None and number > boundary - 2 * self.period:
            return "an epoch is about to begin; order it again in that one"
        if len(self.ordered) >= MAX_CHANGES:
            return f"{MAX_CHANGES} changes wait for the next epoch"
        return ""

    def _objection_to_key(self, change: Replaced) -> str:
        now = self.constitution
        if change.agent not in now.agent_keys():
            return "no such agent"
        if len(change.public_key) != 32 or change.public_key in self.used:
            return "not a new Ed25519 key"
        claimed = encode(Claim(now.cluster, now.epoch, change.agent, change.public_key))
        if not self._verifier.verify(change.public_key, Domain.CLAIM, claimed, change.claim):
            return "nobody proves to hold this key"
        return ""

    def _objection_to_rules(self, change: Configured) -> str:
        try:
            wanted = ordered_rules(change.rules)
        except Malformed as error:
            return f"no policy: {error}"
        # Of what the next epoch would have: so an order can also be taken back before it counts.
        due = self.rules
        if wanted.digest == (self.constitution.policy if due is None else due.digest):
            return "this policy is in force, or ordered, already"
        return ""

    def charter(self, chain: bytes) -> Charter:
        """The constitution of the next epoch, when this one's last entry left ``chain``."""
        now, boundary, pending = self.constitution, self.boundary, self.pending
        assert boundary is not None, "an epoch ends only when something changes"
        members = tuple(
            Member(it.id, it.role, pending[it.id].public_key if it.id in pending else it.public_key)
            for it in now.agents
        )
        rules = self.rules or (now.rules if isinstance(now, Charter) else None)
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
            policy=now.policy if rules is None else rules.digest,
            catalogue=now.catalogue,
            manifest=now.manifest,
            founded=now.cluster,
            after=boundary,
            begins=Digest(chain) if rules is None else Amended(Digest(chain), rules),
        )

    def following(self, charter: Genesis) -> "Changes":
        """The changes of the next epoch: none yet, and no key of this one may come back."""
        return Changes(charter, self._verifier, self.period, self.used)
