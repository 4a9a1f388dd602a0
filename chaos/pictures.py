"""Which moments of recorded runs are shown in the documentation, and the pictures of them.

A moment is found by what happens at it, never by its time: a run that is recorded anew gives the
same pictures. The larger swarm is the consensus simulator's, over the recorded fleet.
"""

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from PIL import Image

from controlroom.window.qt.picture import Photographer
from controlroom.window.scene.offscreen import Picture
from controlroom.window.scene.palette import KIND_NAMES
from controlroom.window.session import Session
from engine.consensus.settings import Settings
from engine.consensus.simulate.cluster import Cluster
from engine.consensus.simulate.trace import Tracer
from engine.playback import read_recording
from engine.stream.recording import Frame, Recording
from engine.stream.state import AgentRow, Health, ScreenState
from engine.vocabulary import AgentId, AuthorId, Role, TraceEvent

INCIDENTS = Path(__file__).resolve().parent.parent / "assets" / "incidents"
COLOURS = 256
NS = 1_000_000_000
QUIET = 6
"""Which quiet state stands for a quiet fleet: one in which traffic is measured."""


class Shot(NamedTuple):
    """One picture."""

    name: str
    picture: Picture


def shots() -> Iterator[Shot]:
    """Every picture of the documentation, one after the other."""
    plain = read_recording(INCIDENTS / "kill-payments" / "ledger.sqlite")
    liar = read_recording(INCIDENTS / "equivocating-primary" / "ledger.sqlite")
    yield from _of(plain, _PLAIN)
    yield from _of(liar, _LIAR)
    yield from _of(plain, _TOLD, presenting=True)
    yield from _of(swarm_of(50, plain), {"fifty-agents": _in_round})
    yield from _of(load_of(500, plain), {"five-hundred-agents": _in_round})


Find = Callable[[Session], float]
"""When something is to be seen, in seconds of the timeline."""


def _of(
    recording: Recording, wanted: dict[str, Find], *, presenting: bool = False
) -> Iterator[Shot]:
    session = Session(recording)
    photographer = Photographer(session, presenting=presenting)
    if presenting:
        session.transport.faster(-1, 0.0)
    session.transport.pause(0.0)
    try:
        for now_s, (name, find) in enumerate(wanted.items()):
            session.transport.scrub(find(session), float(now_s))
            yield Shot(name, photographer.picture(float(now_s)))
    finally:
        photographer.close()


# --- moments --------------------------------------------------------------------------------------


def _marked(kind: str, after_s: float, *, last: bool = False) -> Find:
    """So long after the first (or last) thing of this kind in the incident's timeline."""

    def find(session: Session) -> float:
        times = [mark.t_s for mark in session.timeline.marks() if mark.entry.kind == kind]
        return (times[-1] if last else times[0]) + after_s

    return find


def _phase(kind: str, share: float) -> Find:
    """While the messages of a phase of the incident's first round have gone so much of their way."""

    def find(session: Session) -> float:
        rows = session.scene.messages.rows
        opened_s = _marked("opened", 0.0)(session)
        votes = rows.where((rows.kind == KIND_NAMES.index(kind)) & (rows.leave_s >= opened_s))
        first = int(votes.sequence_number[np.argmin(votes.leave_s)])
        round_ = votes.where(votes.sequence_number == first)
        leave, arrive = np.median(round_.leave_s), np.median(round_.arrive_s)
        return float(leave + share * (arrive - leave))

    return find


def _twins(session: Session) -> float:
    rows = session.scene.messages.rows
    return float(rows.leave_s[rows.twin > 0].min()) + 0.3


def _view_changes(session: Session) -> float:
    primaries = [
        (moment.at_ns / NS, moment.state.swarm.primary)
        for moment in _frames(session)
        if moment.state.swarm is not None
    ]
    since = next(t for (_, a), (t, b) in pairwise(primaries) if a != b)
    return since + 0.75


def _frames(session: Session) -> Iterator[Frame]:
    timeline = session.timeline
    t_s = timeline.first_s
    while t_s <= timeline.last_s:
        yield Frame(round(t_s * NS), timeline.state_at(t_s))
        t_s += 0.02


def _seen(what: str, after_s: float) -> Find:
    """So long after a stage of the answer is seen to begin."""

    def find(session: Session) -> float:
        session.transport.scrub(session.timeline.last_s, 0.0)
        frame, _ = session.frame(0.0, 1280, 720)
        it = frame.episode
        assert it is not None
        return float(getattr(it, what)) + after_s

    return find


def _in_round(session: Session) -> float:
    """While the commits of the first round arrive."""
    rows = session.scene.messages.rows
    votes = rows.where((rows.kind == KIND_NAMES.index("commit")) & (rows.sequence_number == 1))
    return float(np.median(votes.arrive_s))


_PLAIN: dict[str, Find] = {
    "quiet": _marked("opened", -4.0),
    "incident": _marked("open", 0.06),
    "pre-prepare": _phase("pre-prepare", 0.6),
    "prepare": _phase("prepare", 0.55),
    "commit": _phase("commit", 0.55),
    "certificate": _seen("sealed_s", 0.3),
    "action": _seen("acted_s", 0.4),
    "recovery": _marked("closed", 0.9, last=True),
}
_LIAR: dict[str, Find] = {
    "equivocation": _twins,
    "view-change": _view_changes,
    "quarantine": _marked("opened", -0.6),
}
_TOLD: dict[str, Find] = {"presentation": _marked("closed", 0.6, last=True)}


# --- larger swarms --------------------------------------------------------------------------------


def swarm_of(n: int, fleet: Recording) -> Recording:
    """A simulated cluster of ``n`` that orders two batches, over the fleet of a recording."""
    tracer = Tracer(keep=True)
    settings = Settings(checkpoint_period=2, in_flight=2, batch_submissions=4)
    cluster = Cluster(n, (n - 1) // 3, 1, settings=settings, tracer=tracer)
    for counter in (1, 2):
        cluster.submit(cluster.members.submission(counter))
        cluster.run(700)
    roles = {str(member.id): str(member.role) for member in cluster.members.genesis.agents}
    return over_quiet_fleet(fleet, roles, tuple(tracer.events or ()))


def load_of(n: int, fleet: Recording, messages: int = 5_000) -> Recording:
    """``messages`` votes of one round between ``n`` agents, drawn by chance: a load, not a run."""
    chance = random.Random(1)
    ids = [f"{role}-{number}" for number in range(1, n // 5 + 1) for role in Role]
    events = []
    for place in range(messages):
        sender, receiver = chance.sample(ids, 2)
        kind = "prepare" if place < messages * 0.45 else "commit"
        sent_ns = round((0.1 + 0.004 * (kind == "commit") + chance.random() * 0.004) * NS)
        events.append(
            TraceEvent(
                AgentId(AuthorId(sender)),
                AgentId(AuthorId(receiver)),
                kind,
                0,
                1,
                b"\1" * 8,
                sent_ns,
                sent_ns + round(chance.uniform(0.002, 0.01) * NS),
            )
        )
    return over_quiet_fleet(fleet, {name: name.rpartition("-")[0] for name in ids}, tuple(events))


def over_quiet_fleet(
    fleet: Recording, roles: dict[str, str], events: tuple[TraceEvent, ...]
) -> Recording:
    """A recording of other agents, beside a quiet fleet."""
    n = len(roles)
    f = (n - 1) // 3
    ids = list(roles)
    agents = {
        name: AgentRow(name, role, Health.OK, name == ids[0], 0, 1, "idle", "", 0, 0.0)
        for name, role in roles.items()
    }
    quiet = [it.state for it in fleet.frames if _is_quiet(it.state)][QUIET]
    assert quiet.swarm is not None
    quorum = (n + f + 2) // 2
    swarm = replace(
        quiet.swarm, n=n, f=f, quorum=quorum, primary=ids[0], view=0, budget=n - quorum, ready=True
    )
    state = replace(quiet, agents=agents, swarm=swarm, incident=None, notices=(), timeline=())
    first_ns = min(event.sent_ns for event in events) - NS // 10
    last_ns = max(event.received_ns for event in events) + 10 * NS
    return Recording("a simulated swarm", (Frame(first_ns, state), Frame(last_ns, state)), events)


def _is_quiet(state: ScreenState) -> bool:
    return state.slo is not None and all(it.health is Health.OK for it in state.services.values())


# --- files ----------------------------------------------------------------------------------------


def save(picture: Picture, path: Path) -> None:
    """Write a small PNG: 256 colours, chosen so that rare hues keep theirs."""
    colours, counts = np.unique(picture.reshape(-1, 3) & 0xFC, axis=0, return_counts=True)
    weighed = np.repeat(colours, np.maximum(1, counts**0.42).astype(np.int64), axis=0)
    side = int(np.ceil(len(weighed) ** 0.5))
    sample = Image.fromarray(np.resize(weighed, (side * side, 3)).reshape(side, side, 3))
    palette = sample.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=4)
    small = Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
