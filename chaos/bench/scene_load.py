"""What a benchmark of the scene draws: a busy council over a recorded fleet."""

import random
from collections.abc import Iterator

from msgspec.structs import replace

from chaos.pictures import INCIDENTS, over_quiet_fleet
from engine.playback import read_recording
from engine.stream.recording import Frame, Recording
from engine.stream.state import ScreenState
from engine.vocabulary import AgentId, AuthorId, Role, TraceEvent

NS = 1_000_000_000
FLIGHT_S = (6.0, 8.0)
"""So long that every message is under way during the whole measurement."""
SAID_WITHIN_S = 0.001
FROM_S, TO_S = 1.0, 5.5
"""Seconds of the load in which all messages are under way."""
MANY = 50
"""Agents beyond which the fleet is larger than the shop too, for as many labels as there may be."""
SERVICES = 60
MIX = ("prepare", "commit", "status")


def load(agents: int, messages: int) -> Recording:
    """``messages`` that fly at once between ``agents``: far more than any round of a real swarm."""
    plain = read_recording(INCIDENTS / "kill-payments" / "ledger.sqlite")
    per_role = max(1, agents // len(Role))
    ids = [f"{role}-{number}" for number in range(1, per_role + 1) for role in Role]
    events = tuple(_messages(ids, messages))
    roles = {name: name.rpartition("-")[0] for name in ids}
    found = over_quiet_fleet(plain, roles, events)
    if agents <= MANY:
        return found
    frames = tuple(Frame(it.at_ns, _with_services(it.state, SERVICES)) for it in found.frames)
    return Recording(found.source, frames, found.messages)


def _with_services(state: ScreenState, count: int) -> ScreenState:
    """As many services as the scene has room for, each called by the one a third before it."""
    pattern, link = next(iter(state.services.values())), next(iter(state.links.values()))
    names = [f"service-{number:02}" for number in range(count)]
    services = {name: replace(pattern, name=name) for name in names}
    links = {
        f"{names[place // 3]}>{name}": replace(link, caller=names[place // 3], callee=name)
        for place, name in enumerate(names)
        if place
    }
    return replace(state, services=services, links=links)


def _messages(ids: list[str], count: int) -> Iterator[TraceEvent]:
    chance = random.Random(7)
    # A few say each thing to all others, so that none of it is missing anywhere.
    few = len(MIX) * len(ids) * (len(ids) - 1) <= count
    ways = [(a, b, kind) for kind in MIX for a in ids for b in ids if a != b] if few else []
    for number in range(count):
        if few:
            sender, receiver, kind = ways[number % len(ways)]
        else:
            (sender, receiver), kind = chance.sample(ids, 2), chance.choice(MIX)
        sent_ns = NS + round(chance.random() * SAID_WITHIN_S * NS)
        yield TraceEvent(
            AgentId(AuthorId(sender)), AgentId(AuthorId(receiver)), kind, 0,
            number // len(ways) if few else number, bytes(8),
            sent_ns, sent_ns + round(chance.uniform(*FLIGHT_S) * NS),
        )  # fmt: skip
