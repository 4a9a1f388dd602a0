"""Drives replicas by hand, one command at a time: nothing moves that a transcript does not move.

Messages wait on the wire until ``deliver`` or ``settle`` takes them or ``drop`` loses them; time
passes only by ``tick``. The commands are the methods of ``Director`` that begin with ``do_``.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from engine.codec import encode
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee
from engine.consensus.digests import chain_after
from engine.consensus.effects import (
    AnyRecord,
    Broadcast,
    Compact,
    Effect,
    Event,
    Execute,
    Persist,
    Receive,
    ReportEvidence,
    Send,
    Serve,
    Submit,
    Tick,
    Trace,
)
from engine.consensus.messages import (
    Commit,
    Entries,
    Packet,
    Prepare,
    Proposal,
    Vote,
    decode_packet,
    encode_packet,
)
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from tests.scripts.wording import FIRST, Wording
from tests.unit.consensus.speaking import Speaker

if TYPE_CHECKING:
    from engine.vocabulary import Entry

STEP_MS = 50
MOST_ROUNDS = 40


class BadCommand(ValueError):
    """A line of a transcript that makes no sense."""


class Posted(NamedTuple):
    """A message on the wire."""

    source: int
    target: int
    frame: bytes


class Machine:
    """One replica with the disk that outlives it."""

    def __init__(self) -> None:
        self.records: list[AnyRecord] = []
        self.entries: list[Entry] = []
        self.replica: Replica | None = None


class Director:
    """A cluster that moves only as it is told."""

    def __init__(self) -> None:
        """Have no cluster yet; the first command makes it."""
        self.said: list[str] = []

    def run(self, line: str) -> str:
        """The output of one command."""
        verb, *words = line.split()
        command: Callable[[list[str]], None] | None = getattr(self, f"do_{verb}", None)
        if command is None:
            raise BadCommand(f"no command is called {verb!r}")
        self.said = []
        command(words)
        return "\n".join(self.said) or "nothing happens"

    # --- making and breaking -----------------------------------------------------------------

    def do_cluster(self, words: list[str]) -> None:
        """``cluster n=4 f=1 [quorum=Q] [period=K]``: new replicas, all in view 0."""
        given = {name: int(value) for name, _, value in (word.partition("=") for word in words)}
        n, f = given["n"], given["f"]
        self.speaker = Speaker(n, f)
        self.quorum = given.get("quorum", self.speaker.committee.quorum)
        self.settings = Settings(checkpoint_period=given.get("period", 64), batch_submissions=4)
        self.wording = Wording(self.speaker.committee, self.speaker.digest(()))
        self.machines = [Machine() for _ in range(n)]
        self.wire: list[Posted] = []
        self.now_ms = 0
        for place in range(n):
            self._start(place)
        self.said = [f"{n} replicas, quorum {self.quorum}; replica 0 leads view 0"]

    def _start(self, place: int) -> None:
        machine, members = self.machines[place], self.speaker.members
        committee = Committee(members.genesis, members.verifier)
        committee.quorum = self.quorum
        clients, chain = ClientTable(), committee.cluster
        for entry in machine.entries:
            clients.note(entry)
            chain = chain_after(chain, entry, committee.cluster, committee.epoch)
        agent = members.ids[place]
        resume = Resume((len(machine.entries), chain), clients, machine.records)
        machine.replica = Replica(committee, agent, members.signers[agent], self.settings, resume)
        self._step(place, Tick(self.now_ms))
        self.said.clear()

    def do_crash(self, words: list[str]) -> None:
        """``crash 0 ...``: these stop; what they wrote stays, what they said is on its way."""
        for place in map(int, words):
            self.machines[place].replica = None
            self.said.append(f"{place} is down")

    def do_restart(self, words: list[str]) -> None:
        """``restart 0 ...``: these start again from their vote log and ledger."""
        for place in map(int, words):
            self._start(place)
        self.do_state(words)

    # --- submissions and lies ----------------------------------------------------------------

    def _batch(self, words: Iterable[str]) -> tuple[bytes, ...]:
        letters = "".join(words).strip("[]")
        members = self.speaker.members
        batch = tuple(members.submission(ord(letter) - FIRST) for letter in letters)
        self.wording.learn(self.speaker.digest(batch), batch)
        return batch

    def do_submit(self, words: list[str]) -> None:
        """``submit a to 0 1``: the operator's submission ``a`` reaches these replicas."""
        what, where = _split(words, "to")
        for place in map(int, where):
            for frame in self._batch(what):
                self._step(place, Submit(frame))

    def do_lie(self, words: list[str]) -> None:
        """``lie by 0: pre-prepare v0 #1 [a] to 1 2``: a traitor signs and says this."""
        (by,), words = (
            _split(words[1:], ":") if ":" in words else ([words[1].rstrip(":")], words[2:])
        )
        what, where = _split(words, "to")
        kind, view, number = what[0], int(what[1][1:]), int(what[2][1:])
        batch = self._batch(what[3:])
        digest, it, liar = self.speaker.digest(batch), self.speaker, int(by)
        packet: Packet
        if kind == "pre-prepare":
            packet = Proposal(it.pre_prepare(view, number, digest, by=liar), batch)
        else:
            vote = Prepare if kind == "prepare" else Commit
            packet = Vote(it.sign(vote(*it.head, liar, view, number, digest)))
        for target in map(int, where):
            self.wire.append(Posted(liar, target, encode_packet(packet)))
        self.said.append(f"{by} says {self.wording.packet(packet)} to {' '.join(where)}")

    # --- the wire ----------------------------------------------------------------------------

    def do_deliver(self, words: list[str]) -> None:
        """``deliver [KIND] [from 0 1] [to 2 3]``: what waits on the wire now arrives, in order."""
        chosen, self.wire = self._choose(words)
        for posted in chosen:
            self._arrive(posted)

    def do_drop(self, words: list[str]) -> None:
        """``drop [KIND] [from ...] [to ...]``: what waits on the wire now is lost."""
        chosen, self.wire = self._choose(words)
        self.said.append(f"{len(chosen)} messages are lost")

    def do_settle(self, words: list[str]) -> None:
        """``settle [from ...] [to ...]``: deliver again and again, until nothing is on its way."""
        for _ in range(MOST_ROUNDS):
            chosen, self.wire = self._choose(words)
            if not chosen:
                return
            for posted in chosen:
                self._arrive(posted)
        raise BadCommand("the cluster does not settle")

    def _choose(self, words: list[str]) -> tuple[list[Posted], list[Posted]]:
        before, targets = _split(words, "to")
        kinds, sources = _split(before, "from")
        chosen: list[Posted] = []
        kept: list[Posted] = []
        for posted in self.wire:
            kind = self.wording.packet(decode_packet(posted.frame)).split()[0]
            fits = (
                (not kinds or kind in kinds)
                and (not sources or str(posted.source) in sources)
                and (not targets or str(posted.target) in targets)
            )
            (chosen if fits else kept).append(posted)
        return chosen, kept

    def _arrive(self, posted: Posted) -> None:
        agent = self.speaker.members.ids[posted.source]
        heard = self.wording.packet(decode_packet(posted.frame))
        because = f"{heard} from {posted.source}"
        self._step(posted.target, Receive(agent, posted.frame), because)

    # --- time --------------------------------------------------------------------------------

    def do_tick(self, words: list[str]) -> None:
        """``tick 800 [at 0 1]``: so many milliseconds pass for all replicas, or for these."""
        amount, places = _split(words, "at")
        chosen = [int(place) for place in places] or range(len(self.machines))
        for _ in range(0, int(amount[0]), STEP_MS):
            self.now_ms += STEP_MS
            for place in chosen:
                self._step(place, Tick(self.now_ms))

    def do_state(self, words: list[str]) -> None:
        """``state [0 1]``: where these replicas, or all, are."""
        for place in map(int, words or map(str, range(len(self.machines)))):
            machine = self.machines[place]
            ledger = " ".join(
                self.wording.learn(self.speaker.digest(entry.batch), entry.batch)
                for entry in machine.entries
            )
            replica = machine.replica
            view = "down" if replica is None else f"view {replica.view}"
            changing = "" if replica is None or replica.entered else " (not entered)"
            self.said.append(f"{place}: {view}{changing}, ledger {ledger or 'empty'}")

    # --- effects -----------------------------------------------------------------------------

    def _step(self, place: int, event: Event, because: str = "") -> None:
        machine = self.machines[place]
        if machine.replica is None:
            return
        done: list[str] = []
        for effect in machine.replica.step(event):
            self._carry_out(place, effect, done)
        if done:
            opening = f"{place} hears {because}: " if because else f"{place}: "
            self.said.append(opening + "; ".join(done))

    def _carry_out(self, place: int, effect: Effect, done: list[str]) -> None:
        machine = self.machines[place]
        ids = self.speaker.members.ids
        match effect:
            case Persist():
                machine.records.extend(effect.records)
            case Compact():
                machine.records = list(effect.records)
                done.append("forgets what the checkpoint covers")
            case Broadcast():
                self._post(place, range(len(ids)), effect.frame, done)
            case Send():
                target = ids.index(effect.peer)
                self._post(place, [target], effect.frame, done, f" to {target}")
            case Serve():
                found = machine.entries[effect.first - 1 : effect.first - 1 + effect.limit]
                target = ids.index(effect.peer)
                frame = encode(Entries(tuple(found)))
                self._post(place, [target], frame, done, f" to {target}")
            case Execute():
                machine.entries.append(effect.entry)
                batch = effect.entry.batch
                words = self.wording.learn(self.speaker.digest(batch), batch)
                done.append(f"EXECUTES #{effect.entry.sequence_number} {words}")
            case ReportEvidence():
                done.append(self.wording.evidence(effect.evidence))
            case Trace() if effect.refused:
                done.append(f"refused, {effect.refused}")
            case _:
                pass

    def _post(
        self, source: int, targets: Iterable[int], frame: bytes, done: list[str], whom: str = ""
    ) -> None:
        packet = decode_packet(frame)
        if isinstance(packet, Proposal):
            message = self.speaker.committee.read(packet.frame)
            self.wording.learn(getattr(message, "digest", b""), packet.batch)
        self.wire += [Posted(source, target, frame) for target in targets if target != source]
        words = self.wording.packet(packet)
        signer = source
        if isinstance(packet, Vote):
            signer = self.speaker.committee.read(packet.frame).replica
        if signer != source:
            done.append(f"passes on {words} of {signer}{whom}")
        elif not words.startswith("status"):
            done.append(f"says {words}{whom}")


def _split(words: list[str], at: str) -> tuple[list[str], list[str]]:
    if at not in words:
        return words, []
    where = words.index(at)
    return words[:where], words[where + 1 :]
