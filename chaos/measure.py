"""What a drill measured: stamps by whoever saw it, folded into one record (pure).

All stamps are CLOCK_MONOTONIC nanoseconds of one machine. Impact and recovery come from the SLO
probe, the injection from the runner, everything in between from the receipt stamps that the engine
keeps beside the ledger. Nobody stamps what flatters himself.
"""

from collections.abc import Sequence

import msgspec

from chaos.fleet.judge import SECOND_NS, Second

GREEN_SECONDS = 10
"""Recovery begins with the first this many green seconds on end."""
GAP_NS = 1_500_000_000
"""Two seconds of the probe further apart than this are not neighbours."""


class ActionTaken(msgspec.Struct, frozen=True):
    """One step that a responder carried out."""

    action: str
    service: str
    outcome: str
    at_s: float | None


class RunRecord(msgspec.Struct, frozen=True):
    """One run of one experiment; seconds count from the injection, null where it did not come."""

    experiment: str
    policy: str
    against_swarm: str | None
    seed: int
    target: str | None
    took_effect: bool
    impact_s: float | None
    detect_s: float | None
    diagnose_s: float | None
    decide_s: float | None
    act_s: float | None
    recover_s: float | None
    recovered: bool
    fault_present_at_recovery: bool | None
    diagnosis_right: bool | None
    actions: tuple[ActionTaken, ...]
    undone: bool
    certificate_verified: bool | None
    orders_acknowledged: int
    orders_lost: int
    needless_actions: int
    handed_over: bool
    ledger: str | None
    convicted: tuple[str, ...] = ()
    """Agents against whom the ledger holds proof."""
    killed: tuple[str, ...] = ()
    """Agents whose processes the drill killed, the primary among them."""
    noticed_s: float | None = None
    """From the kill until f+1 agents were in a later view."""
    back_s: float | None = None
    """From the kill until all of them were well again, as new processes."""
    replaced: tuple[str, ...] = ()
    """Agents that had a new key ordered in at the end of the run."""
    replace_s: float | None = None
    """From the operator's order for that until the new process was well in the new epoch."""
    fault_budget: int | None = None
    """How many more agents might lie or be missing at the very end."""
    prevented: bool | None = None
    """Whether it was mended before any of the probe's requests failed; null where it could not be."""
    failure: str = ""
    """Why the run does not count as passed; empty when it does."""


class Report(msgspec.Struct, frozen=True):
    """What ``--json`` writes."""

    machine: dict[str, str | int | float]
    runs: tuple[RunRecord, ...]


def impact_ns(seconds: Sequence[Second], injected_ns: int) -> int | None:
    """When the first of the probe's requests failed after the injection."""
    for second in seconds:
        if second.first_bad_ns is not None and second.first_bad_ns >= injected_ns:
            return second.first_bad_ns
    return None


def recovery_ns(seconds: Sequence[Second], impact: int) -> int | None:
    """When the first ten green seconds on end after the impact began; None while they have not."""
    run: list[Second] = []
    for second in seconds:
        if second.monotonic_ns + SECOND_NS <= impact:
            continue
        neighbour = not run or second.monotonic_ns - run[-1].monotonic_ns <= GAP_NS
        if not second.green:
            run = []
        elif neighbour:
            run.append(second)
        else:
            run = [second]
        if len(run) >= GREEN_SECONDS:
            return run[0].monotonic_ns
    return None


def since(stamp_ns: int | None, origin_ns: int) -> float | None:
    """Seconds from ``origin_ns`` to a stamp, to the millisecond."""
    return None if stamp_ns is None else round((stamp_ns - origin_ns) / SECOND_NS, 3)
