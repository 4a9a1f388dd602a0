"""Agents that lie: a real agent process, its real replica, and a bus that says something else.

A traitor has its own key and its own bus user, as any agent that was taken over would have. What it
can do is done to what it sends: ``Treason`` turns one honest message into what goes out instead
(pure), ``LyingBus`` carries that out. It is honest until it is told to begin. The engine knows none
of this: a drill starts the process in place of an agent (``python -m chaos.byzantine``).
"""

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from engine.agents.process import run_agent
from engine.cli import CommandError
from engine.cli.agent import agent_id
from engine.cli.part import run_part
from engine.codec import Malformed, encode
from engine.consensus.clients import submission_in
from engine.consensus.committee import Committee, Refused
from engine.consensus.digests import batch_digest
from engine.consensus.messages import (
    Commit,
    Packet,
    Prepare,
    PrePrepare,
    Proposal,
    Vote,
    decode_packet,
    encode_packet,
)
from engine.genesis import Genesis
from engine.paths import RunPaths
from engine.ports import Bus, Handler
from engine.signing import Domain, Ed25519Verifier, Signer
from engine.vocabulary import (
    AgentId,
    Assessed,
    AuthorId,
    Convicted,
    Operation,
    Signed,
    Submission,
    Verdict,
)

KINDS = (
    "conflicting_votes",
    "message_tampering",
    "strategic_delay",
    "invalid_signatures",
    "silent",
    "equivocating_primary",
    "lying_assessor",
    "framing",
    "flood",
)
PROVABLE = frozenset({"conflicting_votes", "equivocating_primary", "lying_assessor"})
"""What leaves two signatures that contradict each other; nothing else may convict anyone."""
LEADING = frozenset({"strategic_delay", "silent", "equivocating_primary"})
"""Worst when it is the primary who does it."""
DELAY_MS = 600
"""Just below the timeout after which a primary is given up."""
FLOOD = 40
"""Messages sent for each honest one."""
MOST_UNDER_WAY = 4096
_STAMP = 8
"""Bytes before each frame on the bus."""

log = structlog.get_logger()


class Parcel(NamedTuple):
    """One message to publish, after a while."""

    subject: str
    payload: bytes
    delay_ms: int = 0


class Treason:
    """What one traitor sends instead of what it should."""

    def __init__(
        self, kind: str, me: AgentId, signer: Signer, genesis: Genesis, chance: random.Random
    ) -> None:
        """Lie in the way of ``kind``, with the key of ``me`` alone.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"no kind of traitor {kind!r}: {', '.join(KINDS)}")
        self._kind = kind
        self._me = me
        self._signer = signer
        self._genesis = genesis
        self._chance = chance
        self._committee = Committee(genesis, Ed25519Verifier())
        self._peers = [agent for agent in self._committee.ids if agent != me]
        self._counter = 0
        self._framed = 0

    def outgoing(self, subject: str, payload: bytes) -> Sequence[Parcel]:
        """What goes out instead of ``payload``."""
        honest = Parcel(subject, payload)
        word = subject.split(".", 1)[0]
        match self._kind:
            case "silent":
                return () if word in {"pbft", "head", "submit", "ordered"} else (honest,)
            case "lying_assessor" if word == "submit":
                return (honest, *self._other_assessments(payload))
            case "framing" if word == "submit":
                return (honest, *self._accusations(payload))
            case _ if word != "pbft":
                return (honest,)
            case "message_tampering":
                return (Parcel(subject, self._flipped(payload)),)
            case "strategic_delay":
                return (Parcel(subject, payload, DELAY_MS),)
            case "invalid_signatures":
                return (honest, *self._forgeries(subject, payload))
            case "flood":
                return (honest,) * FLOOD
            case "conflicting_votes" | "equivocating_primary":
                return self._split(subject, payload)
            case _:
                return (honest,)

    def _flipped(self, payload: bytes) -> bytes:
        place = self._chance.randrange(_STAMP, len(payload))
        changed = payload[place] ^ (1 << self._chance.randrange(8))
        return payload[:place] + bytes([changed]) + payload[place + 1 :]

    def _forgeries(self, subject: str, payload: bytes) -> Sequence[Parcel]:
        """The same vote, in the names of all, with signatures that none of them made."""
        message = self._vote_in(payload)
        if message is None:
            return ()
        forged = []
        for place in range(self._committee.n):
            lie = msgspec.structs.replace(message, replica=place, digest=bytes(32))
            frame = encode(Signed(encode(lie), self._chance.randbytes(64)))
            forged.append(Parcel(subject, payload[:_STAMP] + frame))
        return forged

    def _vote_in(self, payload: bytes) -> Prepare | Commit | None:
        try:
            packet = decode_packet(payload[_STAMP:])
            if not isinstance(packet, Vote):
                return None
            message = self._committee.read(packet.frame)
        except (Malformed, Refused):
            return None
        return message if isinstance(message, (Prepare, Commit)) else None

    # --- two faces ------------------------------------------------------------------------------

    def _split(self, subject: str, payload: bytes) -> Sequence[Parcel]:
        """Tell half of the others one thing, and the rest another."""
        lie = self._lie(decode_packet(payload[_STAMP:]))
        if lie is None or subject != f"pbft.{self._me}":
            return (Parcel(subject, payload),)
        other = payload[:_STAMP] + encode_packet(lie)
        half = len(self._peers) // 2
        return [
            Parcel(f"{subject}.{peer}", payload if place < half else other)
            for place, peer in enumerate(self._peers)
        ]

    def _lie(self, packet: Packet) -> Packet | None:
        if not isinstance(packet, (Vote, Proposal)):
            return None
        message = self._committee.read(packet.frame)
        if self._committee.ids[message.replica] != self._me:
            return None
        if self._kind == "conflicting_votes" and isinstance(message, (Prepare, Commit)):
            lie = msgspec.structs.replace(message, digest=self._chance.randbytes(32))
            return Vote(self._committee.sign(self._signer, lie))
        if self._kind == "equivocating_primary" and isinstance(message, PrePrepare):
            if not isinstance(packet, Proposal):
                return None
            batch = (*packet.batch, self._submission(()))
            digest = batch_digest(self._committee.cluster, self._committee.epoch, batch)
            header = msgspec.structs.replace(message, digest=digest)
            return Proposal(self._committee.sign(self._signer, header), batch)
        return None

    # --- lies to the council --------------------------------------------------------------------

    def _submission(self, operations: tuple[Operation, ...], above: int = 0) -> bytes:
        self._counter = max(self._counter, above) + 1
        genesis = self._genesis
        author = AuthorId(self._me)
        submission = Submission(genesis.cluster, genesis.epoch, author, self._counter, operations)
        payload = encode(submission)
        return encode(Signed(payload, self._signer.sign(Domain.SUBMISSION, payload)))

    def _other_assessments(self, payload: bytes) -> Sequence[Parcel]:
        """The opposite of each assessment, signed as well."""
        said = submission_in(payload)
        lies = tuple(
            msgspec.structs.replace(it, verdict=_opposite(it.verdict))
            for it in said.operations
            if isinstance(it, Assessed)
        )
        if not lies:
            return ()
        return (Parcel(f"submit.{self._me}", self._submission(lies, said.counter)),)

    def _accusations(self, payload: bytes) -> Sequence[Parcel]:
        """Charges against each other agent, with everything for a proof but its signature."""
        if self._framed >= len(self._peers):
            return ()
        victim = self._peers[self._framed]
        self._framed += 1
        place = self._committee.place_of(victim)
        assert place is not None, "the peers are members"
        head = (self._committee.cluster, self._committee.epoch, place, 0, 1)
        frames = [
            self._committee.sign(self._signer, Commit(*head, bytes([byte]) * 32)) for byte in (1, 2)
        ]
        charge = Convicted(victim, "double-commit", *sorted(frames))
        said = submission_in(payload)
        return (Parcel(f"submit.{self._me}", self._submission((charge,), said.counter)),)


def _opposite(verdict: Verdict) -> Verdict:
    return Verdict.REJECT if verdict is Verdict.ACCEPT else Verdict.ACCEPT


class LyingBus:
    """A bus that passes what it hears on as it is, and what is said through ``Treason``."""

    def __init__(self, bus: Bus, treason: Treason) -> None:
        """Honest until ``begin``."""
        self._bus = bus
        self._treason = treason
        self._begun = False
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Be a traitor from now on."""
        log.warning("treason_begins")
        self._begun = True

    async def publish(self, subject: str, payload: bytes) -> None:
        """Say what a traitor says."""
        if not self._begun:
            await self._bus.publish(subject, payload)
            return
        for parcel in self._treason.outgoing(subject, payload):
            if not parcel.delay_ms:
                await self._bus.publish(parcel.subject, parcel.payload)
            elif len(self._under_way) < MOST_UNDER_WAY:
                task = asyncio.create_task(self._later(parcel))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _later(self, parcel: Parcel) -> None:
        await asyncio.sleep(parcel.delay_ms / 1000)
        await self._bus.publish(parcel.subject, parcel.payload)

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Hear what everyone hears."""
        await self._bus.subscribe(subject, handler)

    @property
    def dropped(self) -> int:
        """As the bus below has it."""
        return self._bus.dropped

    async def close(self) -> None:
        """Say nothing more."""
        for task in self._under_way:
            task.cancel()
        await self._bus.close()


def traitor_for(kind: str, agents: Sequence[AgentId]) -> AgentId:
    """Which of ``agents`` a drill turns: the first primary where leading matters, else the last."""
    return agents[0] if kind in LEADING else agents[-1]


async def _betray(paths: RunPaths, agent: AgentId, kind: str) -> None:
    loop = asyncio.get_running_loop()

    def corrupted(bus: Bus, signer: Signer, genesis: Genesis) -> Bus:
        lying = LyingBus(bus, Treason(kind, agent, signer, genesis, random.Random(kind)))
        loop.add_signal_handler(signal.SIGUSR1, lying.begin)
        return lying

    # A drill that begins too early must not end this process.
    loop.add_signal_handler(signal.SIGUSR1, lambda: None)
    await run_agent(paths, agent, corrupted)


def main() -> int:
    """Be one agent of a run, and a traitor once SIGUSR1 says so."""
    parser = argparse.ArgumentParser(prog="python -m chaos.byzantine")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--id", type=agent_id, required=True)
    parser.add_argument("--kind", choices=KINDS, required=True)
    args = parser.parse_args()
    try:
        return run_part(_betray(RunPaths(args.run_dir), args.id, args.kind))
    except CommandError as error:
        sys.stderr.write(f"chaos.byzantine: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
