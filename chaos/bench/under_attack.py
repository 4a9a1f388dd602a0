"""``bench consensus``, attacked: what is left of the throughput while one of five is a traitor.

Processor time of the four honest replicas for one decision, beside that of the same four in the
same rounds with nobody lying. Delay costs time instead, so it is measured in batches a second of
counted time, beside the floor of the slow-primary monitor.
"""

from collections.abc import Callable
from statistics import median

from chaos.bench.attacked import Attacked
from chaos.byzantine import FLOOD, PROVABLE
from engine.bench.figure import Figure
from engine.consensus.settings import DEFAULTS

KINDS = ("message_tampering", "invalid_signatures", "conflicting_votes", "flood")
AIM = 0.5
ROUNDS = 3
DECISIONS = 12
BACKUP, PRIMARY = 4, 0
DELAYED_MS = 20_000
"""Counted time in which a primary delays everything that it says."""
FLOOR = 1000 * DEFAULTS.pace_batches / DEFAULTS.pace_ms
"""Batches a second below which a primary is given up."""


def bench(say: Callable[[str], None]) -> list[Figure]:
    """All figures; ``say`` is told how it goes."""
    return [*measure(say), delayed()]


def measure(say: Callable[[str], None], decisions: int = DECISIONS) -> list[Figure]:
    """A figure for each kind of attack that costs work."""
    calm = Attacked(None, BACKUP)
    attacked = {kind: Attacked(kind, BACKUP) for kind in KINDS}
    calm.decide()
    left: dict[str, list[float]] = {kind: [] for kind in KINDS}
    costs: dict[str, list[float]] = {kind: [] for kind in ("", *KINDS)}
    for number in range(ROUNDS):
        quiet = _cost_ms(calm, decisions)
        costs[""].append(quiet)
        for kind, ring in attacked.items():
            cost = _cost_ms(ring, decisions)
            costs[kind].append(cost)
            left[kind].append(quiet / cost)
        say(f"[{number + 1}/{ROUNDS}] under attack")
    return [_figure(kind, left[kind], costs, attacked[kind]) for kind in KINDS]


def _cost_ms(ring: Attacked, decisions: int) -> float:
    before = ring.spent_s
    for _ in range(decisions):
        ring.decide()
    return 1000 * (ring.spent_s - before) / decisions


def _figure(kind: str, left: list[float], costs: dict[str, list[float]], ring: Attacked) -> Figure:
    convicted = {member.convicted for member in ring.honest}
    expected = frozenset({ring.traitor}) if kind in PROVABLE else frozenset()
    assert convicted == {expected}, f"{kind}: convicted {convicted}"
    value = median(left)
    beside = {
        "least": round(min(left), 2),
        "most": round(max(left), 2),
        "rounds": float(len(left)),
        "cpu_ms": round(median(costs[kind]), 2),
        "calm_cpu_ms": round(median(costs[""]), 2),
        "dropped": float(ring.dropped),
    }
    if kind == "flood":
        beside["times_each_message"] = float(FLOOD)
    name = f"throughput left under {kind}, n = 5"
    return Figure(name, round(value, 2), "of calm", AIM, "higher", value >= AIM, beside)


def delayed(counted_ms: int = DELAYED_MS) -> Figure:
    """Batches a second while the primary delays all that it says by just less than its timeout."""
    ring = Attacked("strategic_delay", PRIMARY)
    asked_ms = -1
    while ring.now_ms < counted_ms:
        if ring.now_ms > asked_ms:
            asked_ms = ring.now_ms
            ring.submit()
        ring.turn()
    value = 1000 * min(member.executed for member in ring.honest) / ring.now_ms
    beside = {"seconds": ring.now_ms / 1000, "view": float(ring.honest[0].replica.view)}
    return Figure(
        "batches a second under strategic_delay of the primary, n = 5", round(value, 1), "/s",
        round(FLOOR, 2), "higher", value >= FLOOR, beside,
    )  # fmt: skip
