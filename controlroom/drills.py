"""Which drills may be ordered now, and what has to be asked before (pure)."""

from typing import NamedTuple

from engine.stream.state import ScreenState

__all__ = ["QUESTION", "Offer", "described", "news", "offers", "seed_of", "why_not"]

QUESTION = "Put a real fault into this fleet?"
MOST = 9
"""Experiments that have a digit to choose them by."""
SEEDS = 10_000


class Offer(NamedTuple):
    """An experiment that may be ordered."""

    name: str
    summary: str


def offers(state: ScreenState) -> list[Offer]:
    """What may be rehearsed on this fleet; empty where it may not be drilled."""
    rows = state.drill.offers if state.drill is not None else ()
    return [Offer(*row.partition(" ")[::2]) for row in rows[:MOST]]


def why_not(state: ScreenState) -> str:
    """Why no drill can be ordered now; empty when one can."""
    if not offers(state):
        return "this fleet may not be drilled"
    if state.drill is not None and state.drill.running:
        return "a drill runs already"
    if state.incident is not None and not state.incident.closed_ms:
        return f"incident {state.incident.key} is open"
    return ""


def seed_of(now_ms: int) -> int:
    """A seed for a drill that is ordered at ``now_ms``; it is shown, so that it can be given again."""
    return now_ms // 1000 % SEEDS


def described(offer: Offer, seed: int, state: ScreenState) -> list[str]:
    """What an order is about, line by line."""
    policy = state.swarm.policy if state.swarm is not None else "unknown"
    return [
        f"drill      {offer.name}, seed {seed}",
        f"           {offer.summary}",
        f"automation {policy}",
        "It is taken out again at the end, whoever mends it. The agents are not told.",
    ]


def news(old: ScreenState, new: ScreenState) -> str:
    """What came of the ordered drill that ended between two states; empty where none did."""
    if new.drill is None or not new.drill.last:
        return ""
    before = old.drill.last if old.drill is not None else ""
    return f"drill over: {new.drill.last}" if new.drill.last != before else ""
