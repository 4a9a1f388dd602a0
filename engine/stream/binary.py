"""The binary form of what the server says: a header of 24 bytes, and columns in MessagePack (pure).

A state travels as what changed: of a row only the columns that differ, and a bit mask that names
them; of a list, how many of its oldest elements left and what came after. A snapshot is the change
from nothing, so there is one encoding and one decoder. A row is named by its place among the keys of
its table in the state that the change stands on, sorted by their UTF-8 bytes: both sides know it.

Law: ``apply(old, decode_changes(old, encode_changes(old, new))) == new``.
"""

import struct
import typing
from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from engine.codec import Malformed
from engine.stream.fold import growth
from engine.stream.state import (
    AgentRow,
    DeployRow,
    DrillRow,
    IncidentRow,
    LedgerRow,
    LinkRow,
    Row,
    ScreenState,
    ServiceRow,
    SloRow,
    SwarmRow,
    TimelineEntry,
)
from engine.stream.wire import BINARY, Changes, LedgerGrowth, TimelineGrowth

T = TypeVar("T", bound=Row)

HEADER = struct.Struct("<BBHIIIQ")
"""kind, version, flags, epoch, seq, base, monotonic nanoseconds of the engine; little-endian."""
VERSION = 1
GAP = 1
"""Flag of a snapshot: states were left out before it; ``base`` says how many."""
KEYFRAME = 2
"""Flag: it stands on nothing."""
EMPTY = ScreenState()


class Kind(IntEnum):
    """What a binary frame holds."""

    SNAPSHOT = 1
    DELTA = 2
    EVENTS = 3
    STATUS = 4
    REPLY = 5


class Header(NamedTuple):
    """The first 24 bytes of a binary frame."""

    kind: int
    version: int
    flags: int
    epoch: int
    seq: int
    base: int
    t_ns: int


class Section(IntEnum):
    """The sections of a state; a reader passes over those that it does not know."""

    AT_MS = 0
    SWARM = 1
    SLO = 2
    DRILL = 3
    INCIDENT = 4
    SERVICES = 5
    LINKS = 6
    AGENTS = 7
    TIMELINE = 8
    LEDGER = 9
    NOTICES = 10
    DEPLOYS = 11


_SINGLES: dict[Section, type[Row]] = {
    Section.SWARM: SwarmRow,
    Section.SLO: SloRow,
    Section.DRILL: DrillRow,
    Section.INCIDENT: IncidentRow,
}
_TABLES: dict[Section, type[Row]] = {
    Section.SERVICES: ServiceRow,
    Section.LINKS: LinkRow,
    Section.AGENTS: AgentRow,
    Section.DEPLOYS: DeployRow,
}
_LISTS: dict[Section, type[Row]] = {
    Section.TIMELINE: TimelineEntry,
    Section.LEDGER: LedgerRow,
}
COLUMNS: dict[str, tuple[str, ...]] = {
    section.name.lower(): kind.__struct_fields__
    for section, kind in (_SINGLES | _TABLES | _LISTS).items()
}
"""Column names by section, as ``Hello`` tells them."""

_LONG: dict[type[Row], frozenset[str]] = {
    kind: frozenset(
        field.name
        for field in msgspec.structs.fields(kind)
        if typing.get_origin(field.type) is tuple
    )
    for kind in (_SINGLES | _TABLES | _LISTS).values()
}
"""Columns that are lists: what they lost and gained travels, not all of them."""
_Place = Annotated[int, msgspec.Meta(ge=0)]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[int, msgspec.Raw])


def pack_header(kind: Kind, epoch: int, seq: int, base: int, t_ns: int, flags: int = 0) -> bytes:
    """The header of one frame."""
    return HEADER.pack(kind, VERSION, flags, epoch, seq, base, t_ns)


def unpack_header(frame: bytes) -> Header:
    """The header of ``frame``.

    Raises:
        Malformed: too short, or of another version.
    """
    if len(frame) < HEADER.size:
        raise Malformed(f"a binary frame of {len(frame)} bytes has no header of {HEADER.size}")
    header = Header(*HEADER.unpack_from(frame))
    if header.version != VERSION:
        raise Malformed(f"a binary frame of version {header.version}; this side knows {VERSION}")
    return header


# --- encoding ------------------------------------------------------------------------------------


def encode_changes(old: ScreenState, new: ScreenState) -> bytes:
    """What must change in ``old`` to make it ``new``; a whole state where ``old`` is ``EMPTY``."""
    body: dict[int, object] = {Section.AT_MS: new.at_ms}
    for section in _SINGLES:
        before, after = _part(old, section), _part(new, section)
        if before is not after and before != after:
            body[section] = None if after is None else _patch(before, after)
    for section in _TABLES:
        rows = _table(_part(old, section), _part(new, section))
        if any(rows):
            body[section] = rows
    for section in _LISTS:
        dropped, appended = growth(_part(old, section), _part(new, section))
        if dropped or appended:
            body[section] = (dropped, [msgspec.structs.astuple(row) for row in appended])
    if old.notices != new.notices:
        body[Section.NOTICES] = new.notices
    return _encoder.encode(body)


def _part(state: ScreenState, section: Section) -> Any:  # noqa: ANN401 -- as many types as sections
    return getattr(state, section.name.lower())


def _patch(before: Row | None, after: Row) -> list[object]:
    """Mask and values of the columns of ``after`` that are not as in ``before``."""
    mask = 0
    patch: list[object] = [0]
    for place, name in enumerate(after.__struct_fields__):
        value = getattr(after, name)
        known = None if before is None else getattr(before, name)
        if before is not None and (known is value or known == value):
            continue
        mask |= 1 << place
        patch.append(growth(known or (), value) if isinstance(value, tuple) else value)
    patch[0] = mask
    return patch


def _table(
    old: Mapping[str, Row], new: Mapping[str, Row]
) -> tuple[list[int], list[list[object]], list[list[object]]]:
    """Places of the rows that are gone, the changed rows, and the new ones."""
    if old is new:
        return [], [], []
    gone: list[int] = []
    changed: list[list[object]] = []
    for place, key in enumerate(_places(old)):
        row = new.get(key)
        if row is None:
            gone.append(place)
        elif row is not old[key] and row != old[key]:
            changed.append([place, *_patch(old[key], row)])
    fresh: list[list[object]] = [
        [key, *msgspec.structs.astuple(row)] for key, row in new.items() if key not in old
    ]
    return gone, changed, fresh


def _places(table: Mapping[str, Row]) -> list[str]:
    return sorted(table, key=str.encode)


# --- decoding ------------------------------------------------------------------------------------


def decode_changes(old: ScreenState, payload: bytes | memoryview) -> Changes:
    """The changes in ``payload``, which stand on ``old``.

    Raises:
        Malformed: not what ``encode_changes`` makes, or it does not fit ``old``.
    """
    try:
        return _changes(old, _decoder.decode(payload))
    except (msgspec.DecodeError, ValueError, IndexError, RecursionError, OverflowError) as error:
        raise Malformed(f"no state of {BINARY}: {error}") from None


def _changes(old: ScreenState, body: dict[int, msgspec.Raw]) -> Changes:
    if Section.AT_MS not in body:
        raise ValueError("it has no time")
    # The one place where sections lose their types: each was converted to its own just before.
    found: dict[str, Any] = {}
    for section in Section:
        raw = body.get(section)
        if raw is None:
            continue
        name = section.name.lower()
        if section in _SINGLES:
            patch = msgspec.msgpack.decode(raw, type=list[Any] | None)
            found[name] = (
                None if patch is None else _patched(getattr(old, name), patch, _SINGLES[section])
            )
        elif section in _TABLES:
            found[f"gone_{name}"], found[name] = _rows(getattr(old, name), raw, _TABLES[section])
        elif section is Section.TIMELINE:
            found[name] = TimelineGrowth(*_appended(raw, TimelineEntry))
        elif section is Section.LEDGER:
            found[name] = LedgerGrowth(*_appended(raw, LedgerRow))
        elif section is Section.NOTICES:
            found[name] = msgspec.msgpack.decode(raw, type=tuple[str, ...])
        else:
            found[name] = msgspec.msgpack.decode(raw, type=int)
    return Changes(**found)


def _patched(before: T | None, patch: list[Any], kind: type[T]) -> T:
    """``before`` with the columns changed that ``patch`` names."""
    names = kind.__struct_fields__
    mask = patch[0] if patch else None
    if type(mask) is not int or not 0 <= mask < 1 << len(names):
        raise ValueError(f"{mask!r} is no mask of {len(names)} columns")
    marked = [name for place, name in enumerate(names) if mask >> place & 1]
    if len(marked) != len(patch) - 1:
        raise ValueError(f"{len(patch) - 1} values for {len(marked)} columns")
    values = {} if before is None else {name: getattr(before, name) for name in names}
    for name, value in zip(marked, patch[1:], strict=True):
        if name in _LONG[kind]:
            dropped, appended = msgspec.convert(value, tuple[int, tuple[Any, ...]])
            known = values.get(name, ())
            if not 0 <= dropped <= len(known):
                raise ValueError(f"{dropped} of {len(known)} elements cannot leave {name}")
            values[name] = (*known[dropped:], *appended)
        else:
            values[name] = value
    return msgspec.convert(values, kind)


def _rows(
    old: Mapping[str, T], raw: msgspec.Raw, kind: type[T]
) -> tuple[tuple[str, ...], dict[str, T]]:
    """Keys of the rows that are gone, and the rows that changed or are new."""
    gone, changed, fresh = msgspec.msgpack.decode(
        raw, type=tuple[list[_Place], list[list[Any]], list[list[Any]]]
    )
    places = _places(old)
    rows = {}
    for place, *patch in changed:
        if type(place) is not int or place < 0:
            raise ValueError(f"{place!r} is no place in a table")
        rows[places[place]] = _patched(old[places[place]], patch, kind)
    for key, *values in fresh:
        rows[msgspec.convert(key, str)] = row_of(values, kind)
    return tuple(places[place] for place in gone), rows


def _appended(raw: msgspec.Raw, kind: type[T]) -> tuple[int, tuple[T, ...]]:
    dropped, rows = msgspec.msgpack.decode(raw, type=tuple[_Place, list[list[Any]]])
    return dropped, tuple(row_of(values, kind) for values in rows)


def row_of(values: list[Any], kind: type[T]) -> T:
    """A whole row from all its columns."""
    return msgspec.convert(dict(zip(kind.__struct_fields__, values, strict=True)), kind)
