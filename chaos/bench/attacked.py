"""A committee in one thread with a traitor in it, whose honest members' work is timed.

The replicas, their bounded inboxes, the council that convicts and the traitor (``chaos.byzantine``)
are the real ones, with real keys; only bus and disk are left out, and time is counted, not waited for.
"""

import random
from collections.abc import Sequence
from time import process_time
from typing import NamedTuple

from chaos.byzantine import Parcel, Treason
from engine.bench.committee import Bench
from engine.bench.counting import Tally
from engine.codec import encode
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee
from engine.consensus.effects import (
    Broadcast,
    Effect,
    Event,
    Execute,
    Receive,
    ReportEvidence,
    Send,
    Submit,
    Tick,
)
from engine.consensus.evidence import Evidence, convicts
from engine.consensus.inbox import Inbox
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.runtime import BUSY_TICK_S, ROUND
from engine.consensus.settings import settings_for
from engine.consensus.simulate.members import MANIFEST
from engine.council import Council
from engine.policy import DRILL_RULES
from engine.signing import Domain, Ed25519Verifier
from engine.vocabulary import AgentId, AuthorId, Convicted, Entry, Signed, Submission

STAMP = bytes(8)
"""What stands before each frame on the bus: when it was sent, for screens only."""
TICK_MS = int(1000 * BUSY_TICK_S)
MOST_TURNS = 4_000
"""Turns in which a batch must be decided; more would be minutes of counted time."""


class Late(NamedTuple):
    """What the traitor holds back."""

    due_ms: int
    sender: AgentId
    parcel: Parcel


class Member:
    """One replica with its inbox and its fold of the log, and what its work took."""

    def __init__(self, agent: AgentId, bench: Bench) -> None:
        """Start empty."""
        genesis, verifier = bench.genesis, Ed25519Verifier()
        settings = settings_for(genesis.n, genesis.f)
        self.inbox: Inbox[str] = Inbox()
        self.spent_s = 0.0
        self.executed = 0
        self._clients = ClientTable()
        self._council = Council(
            genesis, DRILL_RULES, MANIFEST, verifier, convicts(verifier, settings)
        )
        committee, signer = Committee(genesis, verifier), bench.signers[agent]
        self.replica = Replica(committee, agent, signer, settings, Resume(), self._apply)

    def _apply(self, entry: Entry) -> frozenset[AgentId]:
        for submission, frame in self._clients.fresh_frames(entry):
            self._council.apply(entry.sequence_number, submission, frame)
        return self._council.proven

    @property
    def convicted(self) -> frozenset[AgentId]:
        """Whom the log convicts."""
        return self._council.proven

    def take(self, event: Event) -> Sequence[Effect]:
        """Step, and count what it took."""
        started = process_time()
        effects = self.replica.step(event)
        self.spent_s += process_time() - started
        self.executed += sum(isinstance(effect, Execute) for effect in effects)
        return effects


class Attacked:
    """Five replicas; ``traitor`` lies in the way of ``kind``, or works honestly without one."""

    def __init__(self, kind: str | None, traitor: int) -> None:
        """Start empty, at no time."""
        self.bench = bench = Bench(5, Tally())
        self.traitor = bench.ids[traitor]
        self._treason: Treason | None = None
        if kind is not None:
            signer = bench.signers[self.traitor]
            self._treason = Treason(kind, self.traitor, signer, bench.genesis, random.Random(1))
        self.members = {agent: Member(agent, bench) for agent in bench.ids}
        self.honest = [it for agent, it in self.members.items() if agent != self.traitor]
        self.now_ms = 0
        self._late: list[Late] = []
        self._counters = dict.fromkeys(bench.ids, 0)

    @property
    def spent_s(self) -> float:
        """What the honest members' work took so far."""
        return sum(member.spent_s for member in self.honest)

    @property
    def dropped(self) -> int:
        """Messages that the honest members' inboxes had no room for."""
        return sum(member.inbox.dropped for member in self.honest)

    def submit(self) -> None:
        """Have one more operation submitted, to everybody."""
        self._hand_in("operator", self.bench.submission(self.bench.operations(1)))

    def _hand_in(self, author: str, submission: bytes) -> None:
        for member in self.members.values():
            member.inbox.put(f"submit.{author}", submission, 0)

    def decide(self) -> None:
        """Submit one operation and go on until every honest member has executed it.

        Raises:
            RuntimeError: they do not get there.
        """
        self.submit()
        goal = max(member.executed for member in self.honest) + 1
        for _ in range(MOST_TURNS):
            self.turn()
            if all(
                member.executed >= goal and not member.replica.pending for member in self.honest
            ):
                return
        raise RuntimeError(f"no decision in {MOST_TURNS} turns; the traitor is {self.traitor}")

    def turn(self) -> None:
        """A round of every member; time passes when nobody has anything to do."""
        if not any(member.inbox for member in self.members.values()):
            self._pass_time()
        for agent, member in self.members.items():
            effects: list[Effect] = []
            for source, payload, _ in member.inbox.take(ROUND):
                word, _, name = source.partition(".")
                if word == "submit":
                    effects += member.take(Submit(payload))
                else:
                    effects += member.take(Receive(AgentId(AuthorId(name)), payload[len(STAMP) :]))
            self._carry_out(agent, effects)

    def _pass_time(self) -> None:
        self.now_ms = min([self.now_ms + TICK_MS, *(late.due_ms for late in self._late)])
        due = [late for late in self._late if late.due_ms <= self.now_ms]
        self._late = [late for late in self._late if late.due_ms > self.now_ms]
        for late in due:
            self._deliver(late.sender, late.parcel)
        if self.now_ms % TICK_MS == 0:
            for agent, member in self.members.items():
                self._carry_out(agent, member.take(Tick(self.now_ms)))

    # --- messages ----------------------------------------------------------------------------

    def _carry_out(self, agent: AgentId, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Broadcast):
                word = "head" if effect.status else "pbft"
                self._say(agent, f"{word}.{agent}", STAMP + effect.frame)
            elif isinstance(effect, Send):
                self._say(agent, f"pbft.{agent}.{effect.peer}", STAMP + effect.frame)
            elif isinstance(effect, ReportEvidence) and agent != self.traitor:
                self._charge(agent, effect.evidence)

    def _say(self, sender: AgentId, subject: str, payload: bytes) -> None:
        parcels: Sequence[Parcel] = (Parcel(subject, payload),)
        if sender == self.traitor and self._treason is not None:
            parcels = self._treason.outgoing(subject, payload)
        for parcel in parcels:
            if parcel.delay_ms:
                self._late.append(Late(self.now_ms + parcel.delay_ms, sender, parcel))
            else:
                self._deliver(sender, parcel)

    def _deliver(self, sender: AgentId, parcel: Parcel) -> None:
        word, _, *one = parcel.subject.split(".")
        for receiver, member in self.members.items():
            if receiver != sender and (not one or one[0] == receiver):
                member.inbox.put(f"{word}.{sender}", parcel.payload, 0)

    def _charge(self, agent: AgentId, evidence: Evidence) -> None:
        """Have evidence ordered, as the agent that found it."""
        charge = Convicted(evidence.culprit, evidence.kind, evidence.first, evidence.second)
        genesis, counter = self.bench.genesis, self._counters[agent] + 1
        self._counters[agent] = counter
        author = AuthorId(agent)
        payload = encode(Submission(genesis.cluster, genesis.epoch, author, counter, (charge,)))
        signature = self.bench.signers[agent].sign(Domain.SUBMISSION, payload)
        self._hand_in(agent, encode(Signed(payload, signature)))
