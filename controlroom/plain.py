"""The same story line by line, for a pipe: one fact a line, said once."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from controlroom.drills import news
from controlroom.replaying import PlaceLike
from engine.stream.connection import Answered, Connected, Happened, LinkEvent, Received, Waiting
from engine.stream.fold import growth
from engine.stream.state import Health, IncidentRow, ScreenState, TimelineEntry

_LEFT_OUT = frozenset({"certified", "probed", "elapsed", "closed"})
"""Said by each agent or each second, or told better by a line of its own."""
WAITING_LINES = 4096


def lines(old: ScreenState, new: ScreenState, zone: tzinfo | None = None) -> list[str]:
    """What happened between two states, in the order of the story."""
    facts = [
        *_about_fleet(old, new),
        *_about_swarm(old, new),
        *_about_slo(old, new),
        *(("notice", notice) for notice in new.notices if notice not in old.notices),
    ]
    said = [_line(new.at_ms, what, text, zone) for what, text in facts]
    _, entries = growth(old.timeline, new.timeline)
    said += [
        _line(entry.at_ms, entry.kind, _told(entry), zone)
        for entry in entries
        if entry.kind not in _LEFT_OUT
    ]
    said += [_line(at_ms, what, text, zone) for at_ms, what, text in _about_incident(old, new)]
    return said


def _line(at_ms: int, what: str, text: str, zone: tzinfo | None) -> str:
    clock = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%H:%M:%S")
    whole = f"{clock}  {what:<13} {text}"
    return "".join(letter if letter.isprintable() else "·" for letter in whole).rstrip()


def _told(entry: TimelineEntry) -> str:
    return f"{entry.who}: {entry.text}" if entry.text else entry.who


def _about_fleet(old: ScreenState, new: ScreenState) -> list[tuple[str, str]]:
    facts = []
    for name, service in new.services.items():
        before = old.services[name].health if name in old.services else Health.OK
        if service.health is Health.BROKEN and before is not Health.BROKEN:
            note = f": {service.note}" if service.note else ""
            facts.append(("fleet", f"{name} is broken{note}"))
    if _is_green(new) and not _is_green(old):
        facts.append(("fleet", f"green: {len(new.services)} services"))
    return facts


def _is_green(state: ScreenState) -> bool:
    """Nothing is broken or unknown; a service that warns for a moment makes no line of its own."""
    return bool(state.services) and all(
        service.health in (Health.OK, Health.WARN) for service in state.services.values()
    )


def _about_swarm(old: ScreenState, new: ScreenState) -> list[tuple[str, str]]:
    before, now = old.swarm, new.swarm
    facts = []
    if now is not None:
        was_ready = before is not None and before.ready
        if now.ready and not was_ready:
            facts.append(
                ("swarm", f"ready: {now.n} agents, quorum {now.quorum}, {now.primary} leads")
            )
        elif was_ready and not now.ready:
            facts.append(("swarm", "not ready"))
        elif before is not None and now.view != before.view:
            facts.append(("swarm", f"view {now.view}: {now.primary} leads"))
        if before is not None and now.epoch != before.epoch:
            facts.append(("swarm", f"epoch {now.epoch} begins; policy {now.policy}"))
        if now.frozen != (before is not None and before.frozen):
            facts.append(("frozen" if now.frozen else "thawed", "all automation"))
    running = new.drill is not None and new.drill.running
    if running and not (old.drill is not None and old.drill.running):
        facts.append(("drill", f"runs {new.drill.text}".rstrip() if new.drill else "runs"))
    if said := news(old, new):
        facts.append(("drill", said.removeprefix("drill ")))
    return facts


def _about_slo(old: ScreenState, new: ScreenState) -> list[tuple[str, str]]:
    before, now = old.slo, new.slo
    if now is None or (before is not None and before.green == now.green):
        return []
    word = "green" if now.green else "red"
    return [("slo", f"{now.subject} {word}; {100 * now.success:.0f} % good in the last 10 s")]


def _about_incident(old: ScreenState, new: ScreenState) -> list[tuple[int, str, str]]:
    now = new.incident
    if now is None:
        return []
    same = old.incident is not None and old.incident.key == now.key
    before = old.incident if same else None
    facts = []
    if now.needs_approval and not (before is not None and before.needs_approval):
        facts.append((new.at_ms, "approval", f"needed from an operator: {now.plan}"))
    if now.closed_ms and not (before is not None and before.closed_ms):
        facts.append((now.closed_ms, "closed", _ended(now)))
    return facts


def _ended(incident: IncidentRow) -> str:
    seconds = (incident.closed_ms - incident.opened_ms) / 1000
    return f"{incident.key}: {incident.status}, {seconds:.1f} s after it was opened"


class Teller:
    """Turns the link's events into lines; says an outage once, however often it tries."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._state = ScreenState()
        self._zone = zone
        self._reason = ""

    def take(self, event: LinkEvent, now_ms: int) -> list[str]:
        """The lines that ``event`` is worth."""
        match event:
            case Received(snapshot):
                said = lines(self._state, snapshot.state, self._zone)
                self._state = snapshot.state
                return said
            case Waiting(reason):
                if reason == self._reason:
                    return []
                self._reason = reason
                return [_line(now_ms, "engine", f"not connected: {reason}", self._zone)]
            case Connected():
                self._reason = ""
                return [_line(now_ms, "engine", "connected", self._zone)]
            case Answered() | Happened():
                return []


async def tell(
    place: PlaceLike,
    unix_ms: Callable[[], int],
    write: Callable[[str], object] | None = None,
) -> None:
    """Follow ``place`` and write the story to ``write`` (stdout).

    A recording is told to its end, an engine until cancelled. Writing blocks when the reader is slow: the engine then skips this screen like any other.
    """
    teller, waiting, news = Teller(), deque[str](maxlen=WAITING_LINES), asyncio.Event()

    def take(event: LinkEvent) -> None:
        waiting.extend(teller.take(event, unix_ms()))
        news.set()

    following = asyncio.create_task(place.link(take).run(), name="plain link")
    try:
        while True:
            # A closed pipe must end the telling, not the link: so nothing is written in `take`.
            waker = asyncio.create_task(news.wait())
            await asyncio.wait({waker, following}, return_when=asyncio.FIRST_COMPLETED)
            waker.cancel()
            news.clear()
            _write_all(waiting, write)
            if following.done():
                following.result()
                return
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _write_all(waiting: deque[str], write: Callable[[str], object] | None) -> None:
    while waiting:
        line = waiting.popleft() + "\n"
        if write is not None:
            write(line)
        else:
            sys.stdout.write(line)
    if write is None:
        sys.stdout.flush()
