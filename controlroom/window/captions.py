"""The presentation: an incident tells itself, sentence by sentence, from what really happened (pure).

What the swarm does within a second nobody can read within a second: each sentence stays for
``DWELL_S`` at least, and the next one waits for it. The schedule is a function of the marks alone,
so a scrubbed recording tells the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

from controlroom.window.cards import cut
from controlroom.window.scene.palette import BAD, GOLD, INK, KINDS, OK, WARN, Colour
from controlroom.window.timeline import Mark
from engine.stream.state import ScreenState

DWELL_S = 2.6
LONGEST_S = 14.0
"""A sentence that nothing follows leaves after so long."""
OVERVIEW, COUNCIL, SERVICE, ACTUATOR = "overview", "council", "service", "actuator"


class Caption(NamedTuple):
    """What is said, and what the camera looks at meanwhile."""

    eyebrow: str
    title: str
    sub: str
    colour: Colour
    looks_at: str = OVERVIEW


class Cue(NamedTuple):
    """A caption and when it is said."""

    start_s: float
    caption: Caption


_FIRST_OF = frozenset({"opened", "open", "diagnosed", "proposed", "asks", "decided", "certificate"})
"""Of these, the first one in an attempt is told; the others repeat it."""


def schedule(marks: Sequence[Mark], speed: float = 1.0) -> list[Cue]:
    """The sentences that tell what ``marks`` stand for, each as long as it takes to read it.

    Args:
        marks: in order of time.
        speed: seconds of the timeline that pass in one second of the reader's.
    """
    cues: list[Cue] = []
    said: set[tuple[str, str]] = set()
    accepts = 0
    for mark in marks:
        kind = mark.entry.kind
        if kind in ("attempt", "opened"):
            said = {it for it in said if it[0] != mark.incident}
            accepts = 0
        accepts += kind == "assessed" and mark.entry.text.startswith("accept")
        caption = _caption(mark, accepts)
        name = (mark.incident, kind)
        if caption is None or (kind in _FIRST_OF and name in said):
            continue
        if kind in ("recovered", "assessed") and name in said:
            continue
        said.add(name)
        earliest = cues[-1].start_s + DWELL_S * speed if cues else mark.t_s
        cues.append(Cue(max(mark.t_s, earliest), caption))
    return cues


def caption_at(cues: Sequence[Cue], t_s: float, state: ScreenState) -> Caption:
    """What is said at ``t_s``; what is always true, while nothing happens."""
    current = next((cue for cue in reversed(cues) if cue.start_s <= t_s), None)
    if current is not None and t_s - current.start_s <= LONGEST_S:
        return current.caption
    return _idle(state)


def _idle(state: ScreenState) -> Caption:
    swarm, slo, incident = state.swarm, state.slo, state.incident
    if swarm is None:
        return Caption("", "Waiting for an engine", "main.py up starts one", INK)
    words = f"{swarm.n} agents watch {len(state.services)} services"
    if incident is not None and not incident.closed_ms:
        return Caption(
            "INCIDENT", cut(incident.title, 60), f"{incident.status}; {words}", BAD, SERVICE
        )
    good = f"{slo.subject}: {100 * slo.success:.0f} % of requests are good" if slo else ""
    if slo is not None and not slo.green:
        return Caption("NOW", "Customers are failing", good, WARN)
    rule = f"{swarm.quorum} of {swarm.n} must agree before anything is changed"
    return Caption("NOW", "All is well", f"{words}. {rule}.", OK)


def _caption(mark: Mark, accepts: int) -> Caption | None:  # noqa: C901 -- one line a kind
    entry = mark.entry
    who, words = entry.who, cut(entry.text, 110)
    match entry.kind:
        case "opened":
            return Caption("DETECTED", f"{who} sees something wrong", words, BAD, SERVICE)
        case "open":
            return Caption("CORROBORATED", "Others see it too: it is an incident", words, BAD)
        case "diagnosed":
            cause = entry.text.partition(" (")[0].partition(",")[0]
            return Caption("DIAGNOSED", f"The likely cause: {cut(cause, 48)}", words, BAD, SERVICE)
        case "proposed":
            plan = entry.text.partition(" (")[0].partition(";")[0]
            return Caption("PROPOSED", f"A plan: {cut(plan, 48)}", words, INK, COUNCIL)
        case "assessed":
            title = "Each agent judges for itself"
            colour = KINDS["commit"].colour
            return Caption("ASSESSED", title, f"{who}: {words}", colour, COUNCIL)
        case "asks":
            return Caption("ASKED", "A person has to say yes", words, WARN)
        case "approved":
            return Caption("APPROVED", f"{who} said yes", words, OK)
        case "refused":
            return Caption("REFUSED", f"{who} said no", words, WARN)
        case "decided":
            return Caption("DECIDED", f"The council has decided, {cut(entry.text, 60)}",
                           f"{accepts} independent judgements are in the log", OK, COUNCIL)  # fmt: skip
        case "certificate":
            return Caption("CERTIFIED", "A quorum signs: now it may be done",
                           f"certificate {words}; without it the actuator does nothing", GOLD, COUNCIL)  # fmt: skip
        case "acted":
            return Caption("ACTED", "The actuator carries it out", words, GOLD, SERVICE)
        case "worse":
            return Caption("WORSE", f"{who} sees it get worse", words, BAD, SERVICE)
        case "undone":
            return Caption("UNDONE", "The action is undone", words, WARN, SERVICE)
        case "recovered":
            return Caption("VERIFYING", "Those who saw it fail see it recover", words, OK, SERVICE)
        case "convicted":
            return Caption("CONVICTED", f"{cut(entry.text.partition(':')[0], 32)} lied, and it is proven",
                           f"{words}: its votes do not count any more", BAD, COUNCIL)  # fmt: skip
        case "closed":
            good = entry.text in ("recovered", "subsided")
            title = "It is over" if good else f"It ends: {cut(entry.text, 40)}"
            return Caption("CLOSED", title, words, OK if good else WARN)
        case "frozen" | "thawed" | "taken-over" | "handed over":
            return Caption(entry.kind.upper(), f"{who}: {words}", "", WARN)
        case _:
            return None
