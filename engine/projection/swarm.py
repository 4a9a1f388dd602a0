"""Agents and the swarm as a whole, from what they say of themselves and from who supervises them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.council import Council
from engine.council.state import Proposal
from engine.stream.state import AgentRow, Health, SwarmRow
from engine.vocabulary import AgentId, AuthorId, Vitals

SILENT_MS = 4_000
"""An agent speaks every second; after four it is not heard any more."""


class Heard(NamedTuple):
    """An agent's newest word on itself, and when it came."""

    vitals: Vitals
    at_ms: int


class Process(NamedTuple):
    """What the supervisor knows of an agent's process."""

    pid: int
    restarts: int
    started_ms: int
    """Unix milliseconds of its newest start."""


def agent_rows(
    council: Council,
    heard: Mapping[AgentId, Heard],
    processes: Mapping[str, Process],
    proposal: Proposal | None,
    now_ms: int,
) -> dict[str, AgentRow]:
    """Every agent of genesis."""
    view = agreed_view(council, heard)
    primary = primary_of(council, view)
    rows = {}
    for member in council.genesis.agents:
        word = heard.get(member.id)
        process = processes.get(member.id)
        rows[str(member.id)] = AgentRow(
            id=member.id,
            role=member.role,
            health=_health(member.id, council, word, process, now_ms),
            primary=member.id == primary,
            view=word.vitals.view if word is not None else 0,
            executed=word.vitals.executed if word is not None else 0,
            phase=word.vitals.phase if word is not None else "not heard",
            vote=_vote(member.id, proposal),
            restarts=process.restarts if process is not None else 0,
            age_s=_age_s(word, now_ms),
            key=member.public_key.hex(),
        )
    return rows


def swarm_row(
    council: Council,
    heard: Mapping[AgentId, Heard],
    agents: Iterable[AgentRow],
    *,
    bus_dropped: int,
    trace_dropped: int,
) -> SwarmRow:
    """The swarm as a whole."""
    genesis = council.genesis
    view = agreed_view(council, heard)
    well = sum(agent.health is Health.OK for agent in agents)
    return SwarmRow(
        cluster=genesis.cluster.hex()[:12],
        epoch=genesis.epoch,
        n=genesis.n,
        f=genesis.f,
        quorum=genesis.quorum,
        view=view,
        primary=primary_of(council, view),
        executed=council.sequence_number,
        budget=min(genesis.f, max(0, well - genesis.quorum)),
        frozen=council.frozen,
        policy=council.rules.in_words(),
        bus_dropped=bus_dropped + sum(word.vitals.bus_dropped for word in heard.values()),
        trace_dropped=trace_dropped + sum(word.vitals.trace_dropped for word in heard.values()),
        ready=well >= genesis.quorum,
    )


def agreed_view(council: Council, heard: Mapping[AgentId, Heard]) -> int:
    """The highest view that f+1 agents say they are in: at least one of them is honest."""
    views = sorted((word.vitals.view for word in heard.values()), reverse=True)
    return views[council.genesis.f] if len(views) > council.genesis.f else 0


def primary_of(council: Council, view: int) -> AgentId:
    """Who leads ``view``."""
    return council.genesis.agents[view % council.genesis.n].id


def _health(
    agent: AgentId,
    council: Council,
    word: Heard | None,
    process: Process | None,
    now_ms: int,
) -> Health:
    if agent in council.convicted or (process is not None and process.pid == 0):
        return Health.BROKEN
    if word is None:
        return Health.UNKNOWN
    if process is not None and word.at_ms < process.started_ms:
        return Health.UNKNOWN  # What its predecessor said of itself says nothing of this one.
    if now_ms - word.at_ms > SILENT_MS:
        return Health.BROKEN
    return Health.OK if word.vitals.ready else Health.WARN


def _vote(agent: AgentId, proposal: Proposal | None) -> str:
    given = proposal.assessments.get(AuthorId(agent)) if proposal is not None else None
    return str(given.verdict) if given is not None else ""


def _age_s(word: Heard | None, now_ms: int) -> float:
    """In whole seconds, and 0 while all is as usual: a row shall change only when it says more."""
    if word is None:
        return 0.0
    age_s = (now_ms - word.at_ms) // 1000
    return float(age_s) if age_s >= 2 else 0.0
