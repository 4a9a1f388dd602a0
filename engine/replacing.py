"""The engine's part in replacing an agent: it starts a successor, and ends whoever is replaced.

It decides nothing: the operator's signed order goes into the log, the old quorum orders it, and the
epoch that follows says whose key counts. What the engine has to know after a crash is in the ledger
and in the successors' folders.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec
import structlog

from engine.clock import Clock
from engine.codec import Malformed, decode
from engine.configuring import Configuring
from engine.consensus.charter_proof import succeeding
from engine.consensus.clients import submission_in
from engine.consensus.committee import Committee, Refused
from engine.consensus.effects import Began
from engine.council import Happening
from engine.genesis import Genesis
from engine.ledger.charters import read_beginnings, write_charters
from engine.ledger.replay import Replay
from engine.paths import RunPaths
from engine.signing import Verifier
from engine.standing import MOST_GENERATIONS, generations, in_office
from engine.supervisor import Child, Supervisor
from engine.vocabulary import AgentId, Replaced, Submission
from engine.wish import (
    OrderGiven,
    PolicyWanted,
    Standing,
    StandingWanted,
    SuccessorWanted,
    Wish,
    read_wish,
)

MAIN = Path(__file__).resolve().parent.parent / "main.py"

log = structlog.get_logger()

Relay = Callable[[Submission, bytes], str]
"""Brings a signed submission into the log; why not, empty when it is on its way."""


def agent_child(paths: RunPaths, agent: AgentId, generation: int, name: str) -> Child:
    """The process of an agent, or of one of its successors, called ``name`` among the engine's."""
    argv = [sys.executable, str(MAIN), "agent", "--run-dir", str(paths.root), "--id", agent]
    if generation:
        argv += ["--generation", str(generation)]
    return Child(name, argv, paths.agents / f"{name}.err")


def agent_children(
    paths: RunPaths,
    agents: Sequence[AgentId],
    constitution: Genesis | None,
    elsewhere: Collection[AgentId],
) -> list[Child]:
    """Whoever is in office, and the newest successor that still waits, of each agent.

    An agent ``elsewhere`` is started by somebody else; its successors are started here.
    """
    children = []
    for agent in agents:
        office = in_office(paths, agent, constitution) if constitution is not None else 0
        if office or agent not in elsewhere:
            children.append(agent_child(paths, agent, office, agent))
        waiting = [it for it in generations(paths, agent) if it > office]
        if waiting:
            children.append(agent_child(paths, agent, waiting[-1], _waiting_name(agent)))
    return children


def _waiting_name(agent: AgentId) -> str:
    return f"{agent}.next"


class Replacements:
    """Successors under way, and the charters that begin epochs."""

    def __init__(
        self,
        paths: RunPaths,
        replay: Replay,
        verifier: Verifier,
        supervisor: Supervisor,
        clock: Clock,
        relay: Relay,
    ) -> None:
        """Act for the engine of the run at ``paths``; ``replay`` has folded its ledger."""
        self._paths = paths
        self._replay = replay
        self._verifier = verifier
        self._supervisor = supervisor
        self._clock = clock
        self._relay = relay
        self._keys = replay.council.genesis.agent_keys()
        """Whose processes are called by their agents' names."""
        self._objections: dict[AgentId, str] = {}
        self._configuring = Configuring(replay)
        self._began: list[Began] = []
        self._committee = Committee(replay.council.constitutions[0], verifier)
        for began in read_beginnings(paths.charters):
            self._note_beginning(began)
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready: Callable[[AgentId], bool] = lambda _: False
        """Whether an agent says that it is well."""
        self.fault_budget: Callable[[], int] = lambda: 0

    # --- what the log says ----------------------------------------------------------------------

    def followed(self, happenings: Sequence[Happening]) -> None:
        """Take in what the newest entry led to."""
        self._configuring.followed(happenings)
        for happening in happenings:
            if isinstance(happening.operation, Replaced):
                ignored = happening.kind == "ignored"
                self._objections[happening.operation.agent] = happening.note if ignored else ""
        self._hand_over_where_due()

    def _hand_over_where_due(self) -> None:
        """Let successors take over once the old epoch has ended, which needed whoever they replace."""
        charter = self._replay.council.genesis
        begun = self._replay.epochs.head[0] > charter.base[0]
        if self._committee.epoch < charter.epoch and not begun:
            return
        now = charter.agent_keys()
        changed = [agent for agent, key in now.items() if key != self._keys[agent]]
        self._keys = now
        for agent in changed:
            task = asyncio.create_task(self._hand_over(agent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hand_over(self, agent: AgentId) -> None:
        """End the process whose key counts no more; its successor is called by its name now."""
        log.warning("agent_replaced", agent=agent, epoch=self._replay.council.genesis.epoch)
        await self._supervisor.retire(agent)
        self._supervisor.rename(_waiting_name(agent), agent)

    def heard(self, _subject: str, payload: bytes) -> None:
        """Keep how an epoch began, as replicas tell authors."""
        if b"began" not in payload[:16]:
            return
        try:
            began = decode(payload, Began)
        except Malformed:
            return
        if self._note_beginning(began):
            write_charters(self._paths.charters, self._began)
            self._hand_over_where_due()

    def _note_beginning(self, began: Began) -> bool:
        try:
            self._committee = succeeding(began, self._committee)
        except Refused:
            return False
        self._began.append(began)
        return True

    # --- what an operator wishes ----------------------------------------------------------------

    def answer(self, raw: bytes) -> str:
        """Grant or refuse one signed wish: one line, JSON where it is granted."""
        council = self._replay.council
        try:
            wish = read_wish(raw, council.genesis, self._verifier, self._clock.unix_ms())
            return self._granted(wish)
        except Malformed as error:
            return f"refused: {error}"

    def _granted(self, wish: Wish) -> str:
        match wish:
            case OrderGiven():
                submission = submission_in(wish.submission)
                if submission.author != wish.operator:
                    return "refused: not the operator's own submission"
                why = self._relay(submission, wish.submission)
                return f"refused: {why}" if why else "{}"
            case PolicyWanted():
                return msgspec.json.encode(self._configuring.standing()).decode()
            case SuccessorWanted() | StandingWanted() if wish.agent not in self._keys:
                known = ", ".join(self._keys)
                return f"refused: no agent {wish.agent!r} in this swarm: {known}"
            case SuccessorWanted():
                return self._start_successor(wish.agent)
            case StandingWanted():
                standing = msgspec.json.encode(self._standing(wish.agent))
                return json.dumps(json.loads(standing), separators=(",", ":"))

    def _start_successor(self, agent: AgentId) -> str:
        council = self._replay.council
        if council.excess:
            return (
                f"refused: more than {council.genesis.f} agents are proven to lie; the replicas "
                "have halted, and no quorum can order anything: people must found a new swarm"
            )
        if self._paths.apart is not None:
            return (
                f"refused: {agent} has a machine of its own, where no successor can be started yet"
            )
        waiting = self._waiting(agent)
        if waiting == 0:
            office = in_office(self._paths, agent, council.genesis)
            waiting = max([office, *generations(self._paths, agent)]) + 1
            if waiting > MOST_GENERATIONS:
                return f"refused: {agent} was replaced {MOST_GENERATIONS} times in this run"
            child = agent_child(self._paths, agent, waiting, _waiting_name(agent))
            self._paths.successor(agent, waiting).mkdir(mode=0o700)
            self._supervisor.add(child)
        self._objections.pop(agent, None)
        return f'{{"generation":{waiting}}}'

    def _waiting(self, agent: AgentId) -> int:
        """The newest successor that is started and not in office; 0 when there is none."""
        office = in_office(self._paths, agent, self._replay.council.genesis)
        later = [it for it in generations(self._paths, agent) if it > office]
        return later[-1] if later else 0

    def _standing(self, agent: AgentId) -> Standing:
        council, epochs = self._replay.council, self._replay.epochs
        ordered = council.changes.pending.get(agent)
        return Standing(
            epoch=council.genesis.epoch,
            executed=epochs.head[0],
            public_key=council.genesis.agent_keys()[agent],
            boundary=epochs.boundary or 0,
            pending_key=ordered.public_key if ordered is not None else b"",
            generation=self._waiting(agent),
            ready=self.ready(agent) and self._keys == council.genesis.agent_keys(),
            convicted=tuple(sorted(council.convicted)),
            fault_budget=self.fault_budget(),
            objection=self._objections.get(agent, ""),
        )
