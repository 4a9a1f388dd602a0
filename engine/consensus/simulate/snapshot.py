"""A running replica as a value: copied to try another future, and named by a canonical digest.

What is immutable is shared by all copies; so are the committee, whose remembered signatures change
no answer, and the application. Two replicas with one digest answer every event alike, but for time
and for evidence: left out are stamps and counts for timeouts, votes that can decide nothing any
more, and of a certificate everything but what it proves, as whoever checks it asks nothing else.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Hashable
from types import FunctionType, MethodType

import msgspec

from engine.codec import decode
from engine.consensus.committee import Committee
from engine.consensus.log import Slot
from engine.consensus.messages import PrePrepare, ViewChange, decode_message
from engine.consensus.replica import Replica
from engine.consensus.simulate.members import HashSigner, HashVerifier
from engine.consensus.state import State
from engine.consensus.succession import Succession
from engine.genesis import Genesis
from engine.vocabulary import Entry, Signed

_LEFT_OUT = frozenset({
    "signer", "_verifier", "out", "_accused", "shown_to", "told_on", "failed_views", "pace",
    "proof", "new_view_frame", "view_change_frame",
})  # fmt: skip
"""What only evidence or timeouts ask for, and certificates whose meaning stands beside them."""
_STAMP = "_ms"
_PLAIN: frozenset[type] = frozenset({str, bytes, int, float, bool, type(None)})


def copied(replica: Replica) -> Replica:
    """A replica in the same state, which goes its own way from here."""
    found = _copied(replica, {})
    assert isinstance(found, Replica)
    return found


def canonical(replica: Replica) -> bytes:
    """32 bytes that name the state of ``replica``, the same under any PYTHONHASHSEED."""
    return hashlib.sha256(repr(_frozen(replica, {})).encode()).digest()


_VALUES: tuple[type, ...] = (
    *_PLAIN, frozenset, tuple, type, FunctionType, msgspec.Struct, Committee, HashSigner,
    HashVerifier,
)  # fmt: skip
_SHARED: dict[type, bool] = {}
_SLOTS: dict[type, tuple[str, ...]] = {}


def _is_shared(kind: type) -> bool:
    """Whether things of this kind are never changed, or so that no answer depends on it."""
    known = _SHARED.get(kind)
    if known is None:
        known = _SHARED[kind] = issubclass(kind, _VALUES)
    return known


def _attributes(thing: object) -> dict[str, object]:
    kind = type(thing)
    slots = _SLOTS.get(kind)
    if slots is None:
        slots = _SLOTS[kind] = tuple(
            name for it in kind.__mro__ for name in getattr(it, "__slots__", ())
        )
    return {name: getattr(thing, name) for name in slots} if slots else thing.__dict__


# --- copies --------------------------------------------------------------------------------------


def _copied(thing: object, made: dict[int, object]) -> object:
    kind = type(thing)
    if kind in _PLAIN or _is_shared(kind):
        return thing
    copy = _COPIES.get(kind)
    if copy is not None:
        return copy(thing, made)
    known = made.get(id(thing))
    if known is not None:
        return known
    twin = made[id(thing)] = object.__new__(kind)
    for name, value in _attributes(thing).items():
        if type(value) not in _PLAIN:
            value = _copied(value, made)
        # The one word that sets an attribute of a slotted class too.
        object.__setattr__(twin, name, value)
    return twin


def _copied_dict(thing: dict[Hashable, object], made: dict[int, object]) -> object:
    return {key: _copied(value, made) for key, value in thing.items()} if thing else {}


def _copied_method(thing: MethodType, made: dict[int, object]) -> object:
    return MethodType(thing.__func__, _copied(thing.__self__, made))


_COPIES: dict[type, Callable[..., object]] = {
    dict: _copied_dict,
    list: lambda thing, made: [_copied(item, made) for item in thing],
    deque: lambda thing, made: deque(_copied(item, made) for item in thing),
    set: lambda thing, _made: set(thing),
    MethodType: _copied_method,
}


# --- names ---------------------------------------------------------------------------------------


def _frozen(thing: object, seen: dict[int, int]) -> object:
    kind = type(thing)
    if kind in _PLAIN:
        return thing
    freeze = _NAMES.get(kind)
    if freeze is not None:
        return freeze(thing, seen)
    if isinstance(thing, Genesis):
        return thing.epoch  # One log has one charter of each epoch.
    if isinstance(thing, msgspec.Struct):
        return meaning_of(thing) if isinstance(thing, ViewChange) else _batch_of(thing)
    if isinstance(thing, tuple):
        if thing and isinstance(thing[0], ViewChange):
            return meaning_of(thing[0])  # The frame beside it says the same once more.
        return [_frozen(item, seen) for item in thing]
    if _is_shared(kind):
        return kind.__name__
    if id(thing) in seen:
        return f"again {seen[id(thing)]}"
    seen[id(thing)] = len(seen)
    attributes = _attributes(thing)
    if isinstance(thing, Slot):
        attributes = attributes | _settled(thing)
    elif isinstance(thing, Succession):
        attributes = attributes | _joined(attributes["_state"])
    return {
        name: _frozen(attributes[name], seen)
        for name in sorted(attributes)
        if name not in _LEFT_OUT and not name.endswith(_STAMP)
    }


def meaning_of(vote: ViewChange) -> tuple[object, ...]:
    """What a VIEW-CHANGE proves, whoever signed the votes in it."""
    headers = [decode_message(decode(it.pre_prepare, Signed).payload) for it in vote.prepared]
    shown = tuple(
        (it.view, it.sequence_number, it.digest) for it in headers if isinstance(it, PrePrepare)
    )
    return vote.replica, vote.view, vote.stable.sequence_number, shown


def _batch_of(thing: msgspec.Struct) -> object:
    return ("entry", *thing.batch) if isinstance(thing, Entry) else msgspec.msgpack.encode(thing)


def _settled(slot: Slot) -> dict[str, object]:
    """Votes for what is done decide nothing any more."""
    over: dict[str, object] = {}
    if "commit" in slot.own or slot.entry is not None:
        over["prepares"] = None
    if slot.entry is not None:
        over["commits"] = None
    return over


def _joined(state: object) -> dict[str, object]:
    """Votes for a view that has begun, or that another begins, decide nothing either."""
    assert isinstance(state, State)
    mine = state.is_primary and not state.entered
    return {"_newest": None} if state.view and not mine else {}


def _frozen_dict(thing: dict[Hashable, object], seen: dict[int, int]) -> object:
    if all(type(key) is int for key in thing):
        # By replica or by number: nothing depends on which came first.
        return [(key, _frozen(thing[key], seen)) for key in sorted(thing)]  # type: ignore[type-var]
    return [(_frozen(key, seen), _frozen(value, seen)) for key, value in thing.items()]


_NAMES: dict[type, Callable[..., object]] = {
    dict: _frozen_dict,
    list: lambda thing, seen: [_frozen(item, seen) for item in thing],
    deque: lambda thing, seen: [_frozen(item, seen) for item in thing],
    set: lambda thing, _seen: sorted(thing),
    frozenset: lambda thing, _seen: sorted(thing),
    MethodType: lambda _thing, _seen: "method",
}
