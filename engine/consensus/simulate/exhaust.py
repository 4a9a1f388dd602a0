"""Every state that four replicas can reach, one of them a traitor: an explicit-state model checker.

One place of the log, two views, two submissions. The three honest replicas are the real core; the
traitor says whatever ``Forger`` can. The wire keeps every message for ever and delivers it to anyone
it is for, at any time, in any order, once or never. Each honest replica may lose patience once.

Reductions, sound for what is checked. A message that changes nothing others could notice is delivered
only right before it matters: it waits on the wire just as well. Certificates that prove the same are
one. An accusation is not followed: that nothing an honest replica signed convicts it is checked for
all that it signed. And of the two replicas that lead neither view only the first is tried as the
traitor: the other has the same part.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import combinations, permutations

import msgspec

from engine.consensus.checkpoint import Diverged
from engine.consensus.committee import Committee
from engine.consensus.messages import Batch, Batches, Proposal, Vote, decode_packet
from engine.consensus.simulate.forger import Forger
from engine.consensus.simulate.futures import EVERYBODY, Futures, Step, Wire
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.violation import Violation

N, F = 4, 1
TRAITORS = (0, 1, 2)
"""Who leads view 0, who leads view 1, and one who leads neither."""
TIMEOUT = -1
Cluster = tuple[int, ...]
"""A state of each honest replica."""


class Explored(msgspec.Struct):
    """What was found with one traitor."""

    traitor: int
    clusters: int = 0
    """States of the whole cluster."""
    replicas: int = 0
    """States of single replicas, those included that a delivery passes through."""
    transitions: int = 0
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    """States by what was decided in them."""
    violation: str = ""
    path: tuple[str, ...] = ()
    """What led there, one delivery a line."""
    left: int = 0
    """States seen whose futures were not tried; 0 where the search is exhaustive."""


class Explorer:
    """Searches breadth first, so that what it finds is as short as can be."""

    def __init__(self, traitor: int, quorum: int | None = None, views: int = 2) -> None:
        """Begin with replica ``traitor`` as the liar; ``quorum`` breaks consensus on purpose.

        With one of the two ``views`` nobody loses patience.
        """
        self._patience = views > 1
        members = Members(N, F)
        committee = Committee(members.genesis, members.verifier)
        if quorum is not None:
            committee.quorum = quorum
        self.found = Explored(traitor)
        self._wire = Wire(committee)
        self._batches: dict[Batch, str] = {
            (members.submission(1),): "a", (members.submission(2),): "b", (): "nothing",
        }  # fmt: skip
        a, b = (batch for batch in self._batches if batch)
        signer = members.signers[members.ids[traitor]]
        self._forger = Forger(self._wire, signer, traitor, (a, b))
        self._honest = [
            Futures(self._wire, members, place) for place in range(N) if place != traitor
        ]
        # Whoever leads view 1 was asked for something else than whoever leads view 0.
        begun = (it.begin(*(b if it.me == 1 else a)) for it in self._honest)
        self._from: dict[Cluster, tuple[Cluster, int, tuple[int, ...]] | None] = {
            tuple(begun): None
        }

    def run(
        self, most: int, tell: Callable[[int, int], None] = lambda _seen, _left: None
    ) -> Explored:
        """Visit up to ``most`` states of the cluster, or up to the first that must not be.

        ``tell`` hears now and then how many were seen, and how many of them are still to be tried.
        """
        found, waiting = self.found, deque(self._from)
        here: Cluster = ()
        try:
            while waiting:
                here = waiting.popleft()
                tell(len(self._from), len(waiting))
                for after, place, path in self._moves(here):
                    found.transitions += 1
                    if after in self._from:
                        continue
                    self._from[after] = (here, place, path)
                    waiting.append(after)
                    self._check(after)
                if len(self._from) >= most:
                    break
        except (Violation, Diverged, AssertionError) as error:
            found.violation = str(error) or repr(error)
            found.path = tuple(self._story(waiting[-1] if waiting else here))
        found.left = len(waiting)
        found.clusters, found.replicas = len(self._from), sum(map(len, self._honest))
        return found

    # --- what can happen -----------------------------------------------------------------------

    def _moves(self, here: Cluster) -> Iterator[tuple[Cluster, int, tuple[int, ...]]]:
        said = frozenset[int]().union(
            *(it.said(state) for it, state in zip(self._honest, here, strict=True))
        )
        words = sorted(said | self._forger.words(said))
        for place, (replica, state) in enumerate(zip(self._honest, here, strict=True)):
            patience = replica.times_out(state) if self._patience else None
            ends = [(patience.state, (TIMEOUT,))] if patience is not None else []
            for after, path in (*ends, *self._deliveries(replica, state, words)):
                yield (*here[:place], after, *here[place + 1 :]), place, path

    def _deliveries(
        self, replica: Futures, state: int, words: list[int]
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Each loud delivery, with the fewest quiet ones before it that make it so."""
        me, messages = replica.me, self._wire.messages
        words = [
            it for it in words
            if messages[it].sender != me and messages[it].target in (EVERYBODY, me)
        ]  # fmt: skip
        alone = {word: replica.hears(state, word) for word in words}
        for word, step in alone.items():
            if step.loud:
                yield step.state, (word,)
        quiet: dict[object, list[int]] = {}
        for word in words:
            if alone[word].heard and not alone[word].loud:
                quiet.setdefault(self._wire.counted_with[word], []).append(word)
        for together in quiet.values():
            yield from self._counted(replica, alone, together)

    def _counted(
        self, replica: Futures, alone: dict[int, Step], together: list[int]
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Votes that do nothing alone: the pairs that do something, and the threes of other votes."""
        pairs = set[tuple[int, int]]()
        for first, second in permutations(together, 2):
            step = replica.hears(alone[first].state, second)
            if step.loud:
                pairs.add((first, second))
                yield step.state, (first, second)
        for chosen in combinations(together, 3):
            if pairs.isdisjoint(permutations(chosen, 2)):
                first, second, third = chosen
                both = replica.hears(alone[first].state, second)
                step = replica.hears(both.state, third)
                if step.loud:
                    yield step.state, chosen

    # --- what must hold ------------------------------------------------------------------------

    def _check(self, cluster: Cluster) -> None:
        decided = {
            batch
            for it, state in zip(self._honest, cluster, strict=True)
            if (batch := it.decided(state)) is not None
        }
        for batch in decided:
            if batch not in self._batches:
                raise Violation("validity: something was decided that nobody submitted")
        words = sorted(self._batches[batch] for batch in decided)
        if len(decided) > 1:
            raise Violation(f"agreement: {' and '.join(words)} are decided at one place")
        outcome = words[0] if words else "undecided"
        self.found.outcomes[outcome] = self.found.outcomes.get(outcome, 0) + 1

    # --- how it came to that -------------------------------------------------------------------

    def _story(self, cluster: Cluster) -> list[str]:
        lines: list[str] = []
        while (step := self._from[cluster]) is not None:
            cluster, place, path = step
            me = self._honest[place].me
            told = [f"{me} hears {self._words(it)}" if it >= 0 else f"{me} waits" for it in path]
            lines += reversed(told)
        return lines[::-1]

    def _words(self, number: int) -> str:
        sender, _, frame = self._wire.messages[number]
        packet = decode_packet(frame)
        if isinstance(packet, Batches):
            return f"what [{self._batches[packet.batches[0]]}] holds"
        assert isinstance(packet, (Vote, Proposal)), "nothing else is on this wire"
        message = self._wire.committee.read(packet.frame)
        digest = getattr(message, "digest", None)
        names = {self._forger.digest(batch): name for batch, name in self._batches.items()}
        about = f" [{names.get(digest, '?')}]" if digest else ""
        return f"{message.kind} v{getattr(message, 'view', 0)}{about} from {sender}"
