"""The difference between two states, and a state brought forward by it (pure).

Law: ``apply(old, diff(old, new)) == new``. Rows that did not change stay the same objects, so that
a screen can tell by identity what to draw again.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from engine.stream.state import ScreenState
from engine.stream.wire import Changes, Delta, LedgerGrowth, Snapshot, TimelineGrowth

T = TypeVar("T")


class OutOfOrder(ValueError):
    """A delta that does not stand on the state at hand: only a snapshot helps."""


def diff(old: ScreenState, new: ScreenState) -> Changes:
    """What must change in ``old`` to make it ``new``."""
    services, gone_services = _changed_rows(old.services, new.services)
    links, gone_links = _changed_rows(old.links, new.links)
    agents, gone_agents = _changed_rows(old.agents, new.agents)
    deploys, gone_deploys = _changed_rows(old.deploys, new.deploys)
    dropped_entries, entries = growth(old.timeline, new.timeline)
    dropped_batches, batches = growth(old.ledger, new.ledger)
    return Changes(
        at_ms=new.at_ms,
        swarm=_changed(old.swarm, new.swarm),
        slo=_changed(old.slo, new.slo),
        drill=_changed(old.drill, new.drill),
        incident=_changed(old.incident, new.incident),
        services=services,
        links=links,
        agents=agents,
        gone_services=gone_services,
        gone_links=gone_links,
        gone_agents=gone_agents,
        deploys=deploys,
        gone_deploys=gone_deploys,
        timeline=TimelineGrowth(dropped_entries, entries),
        ledger=LedgerGrowth(dropped_batches, batches),
        notices=_changed(old.notices, new.notices),
    )


def apply(state: ScreenState, changes: Changes) -> ScreenState:
    """``state`` with ``changes`` made."""
    return ScreenState(
        at_ms=changes.at_ms,
        swarm=_kept(state.swarm, changes.swarm),
        slo=_kept(state.slo, changes.slo),
        drill=_kept(state.drill, changes.drill),
        incident=_kept(state.incident, changes.incident),
        services=_merged(state.services, changes.services, changes.gone_services),
        links=_merged(state.links, changes.links, changes.gone_links),
        agents=_merged(state.agents, changes.agents, changes.gone_agents),
        deploys=_merged(state.deploys, changes.deploys, changes.gone_deploys),
        timeline=_grown(state.timeline, changes.timeline.drop, changes.timeline.append),
        ledger=_grown(state.ledger, changes.ledger.drop, changes.ledger.append),
        notices=_kept(state.notices, changes.notices),
    )


def fold(snapshot: Snapshot, delta: Delta) -> Snapshot:
    """The snapshot that ``delta`` turns ``snapshot`` into.

    Raises:
        OutOfOrder: the delta is of another epoch or stands on another state.
    """
    if delta.epoch != snapshot.epoch:
        raise OutOfOrder(f"a delta of epoch {delta.epoch} on a state of epoch {snapshot.epoch}")
    if delta.base != snapshot.seq:
        raise OutOfOrder(f"a delta on update {delta.base}, but the last one was {snapshot.seq}")
    return Snapshot(delta.epoch, delta.seq, apply(snapshot.state, delta.changes))


def growth(old: tuple[T, ...], new: tuple[T, ...]) -> tuple[int, tuple[T, ...]]:
    """How many of the oldest elements left ``old``, and what came after the rest, to make ``new``.

    The fewest that may have left; all of them where nothing is shared.
    """
    if old is new:
        return 0, ()
    for dropped in range(max(0, len(old) - len(new)), len(old)):
        shared = len(old) - dropped
        if old[dropped] == new[0] and old[dropped:] == new[:shared]:
            return dropped, new[shared:]
    return len(old), new


def _changed(old: T, new: T) -> T | msgspec.UnsetType:
    return msgspec.UNSET if old is new or old == new else new


def _kept(old: T, change: T | msgspec.UnsetType) -> T:
    return old if isinstance(change, msgspec.UnsetType) else change


def _changed_rows(
    old: Mapping[str, T], new: Mapping[str, T]
) -> tuple[dict[str, T], tuple[str, ...]]:
    changed = {
        key: row
        for key, row in new.items()
        if key not in old or (old[key] is not row and old[key] != row)
    }
    return changed, tuple(key for key in old if key not in new)


def _merged(old: dict[str, T], changed: dict[str, T], gone: tuple[str, ...]) -> dict[str, T]:
    if not changed and not gone:
        return old
    merged = old | changed
    for key in gone:
        merged.pop(key, None)
    return merged


def _grown(old: tuple[T, ...], dropped: int, appended: tuple[T, ...]) -> tuple[T, ...]:
    if not dropped and not appended:
        return old
    return old[dropped:] + appended
