"""Messages of the server as WebSocket frames, in either form, and back (pure).

A frame is built once for all clients that get the same message: unmasked, in one piece, without
extensions, so that the same bytes are right for each of them.
"""

from typing import Any

import msgspec

from engine.codec import Malformed
from engine.stream.binary import (
    EMPTY,
    GAP,
    HEADER,
    KEYFRAME,
    Kind,
    decode_changes,
    encode_changes,
    pack_header,
    row_of,
    unpack_header,
)
from engine.stream.fold import OutOfOrder, apply, diff
from engine.stream.state import LedgerRow, ScreenState, TimelineEntry
from engine.stream.wire import (
    BINARY,
    MAX_DOWNSTREAM_BYTES,
    Delta,
    Event,
    Events,
    Lane,
    Reply,
    ServerMessage,
    Snapshot,
    Status,
    decode_from_server,
    encode_message,
)
from engine.vocabulary import TraceEvent

TEXT_OPCODE = 0x81
BINARY_OPCODE = 0x82
"""First byte of an unfragmented frame, final and without extension bits (RFC 6455, section 5.2)."""


class _EventColumns(msgspec.Struct, frozen=True, array_like=True):
    """One event of the binary form: lane, incident, and the row's columns."""

    lane: Lane
    incident: str
    columns: list[Any]


_encode = msgspec.msgpack.Encoder().encode
_events = msgspec.msgpack.Decoder(list[_EventColumns])
_status = msgspec.msgpack.Decoder(tuple[int, str])
_reply = msgspec.msgpack.Decoder(tuple[str, bool, str])


def framed(payload: bytes, opcode: int) -> bytes:
    """``payload`` as one WebSocket frame from a server."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 1 << 16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload


def text_frame(message: ServerMessage) -> bytes:
    """A message that is JSON in both forms."""
    return framed(encode_message(message), TEXT_OPCODE)


# --- state ---------------------------------------------------------------------------------------


def snapshot_payload(form: str, state: ScreenState) -> bytes:
    """The part of a snapshot that is the same for all of ``form``; empty where there is none."""
    return encode_changes(EMPTY, state) if form == BINARY else b""


def snapshot_frame(form: str, snapshot: Snapshot, payload: bytes, t_ns: int) -> bytes:
    """A snapshot; ``payload`` is what ``snapshot_payload`` made of its state."""
    if form != BINARY:
        return text_frame(snapshot)
    flags = KEYFRAME | (GAP if snapshot.gap else 0)
    header = pack_header(Kind.SNAPSHOT, snapshot.epoch, snapshot.seq, snapshot.skipped, t_ns, flags)
    return framed(header + payload, BINARY_OPCODE)


def delta_frame(form: str, old: Snapshot, new: Snapshot, t_ns: int) -> bytes:
    """What makes ``new`` of ``old``, however many states lie between them."""
    if form != BINARY:
        return text_frame(Delta(new.epoch, old.seq, new.seq, diff(old.state, new.state)))
    header = pack_header(Kind.DELTA, new.epoch, new.seq, old.seq, t_ns)
    return framed(header + encode_changes(old.state, new.state), BINARY_OPCODE)


# --- the rest ------------------------------------------------------------------------------------


def events_frame(form: str, events: Events, t_ns: int) -> bytes:
    """Events of some lanes."""
    if form != BINARY:
        return text_frame(events)
    header = pack_header(Kind.EVENTS, events.epoch, events.upto, events.after, t_ns)
    payload = _encode([_columns_of(event) for event in events.events])
    return framed(header + payload, BINARY_OPCODE)


def status_frame(form: str, epoch: int, status: Status, t_ns: int) -> bytes:
    """How a client is treated."""
    if form != BINARY:
        return text_frame(status)
    header = pack_header(Kind.STATUS, epoch, 0, 0, t_ns)
    return framed(header + _encode((status.hz, status.reason)), BINARY_OPCODE)


def reply_message(form: str, epoch: int, reply: Reply, t_ns: int) -> bytes:
    """The payload of a reply, to be sent as a binary message or as a text one."""
    if form != BINARY:
        return encode_message(reply)
    header = pack_header(Kind.REPLY, epoch, 0, 0, t_ns)
    return header + _encode((reply.id, reply.accepted, reply.reason))


def _columns_of(event: Event) -> _EventColumns:
    row = event.timeline or event.ledger or event.trace
    assert row is not None
    return _EventColumns(event.lane, event.incident, list(msgspec.structs.astuple(row)))


# --- the screens' end ----------------------------------------------------------------------------


def read_message(data: bytes | str, known: Snapshot | None) -> ServerMessage | None:
    """The server's message in ``data``; nothing for a delta or a kind that cannot be used.

    A delta of the binary form is understood only beside the state that it stands on: it comes
    back as the snapshot that it leads to.

    Raises:
        Malformed: no message of the protocol.
        OutOfOrder: a delta that does not stand on ``known``.
    """
    if isinstance(data, str):
        return decode_from_server(data)
    if len(data) > MAX_DOWNSTREAM_BYTES:
        raise Malformed(f"{len(data)} bytes are over the limit of {MAX_DOWNSTREAM_BYTES}")
    header = unpack_header(data)
    body = memoryview(data)[HEADER.size :]
    try:
        match header.kind:
            case Kind.SNAPSHOT:
                state = apply(EMPTY, decode_changes(EMPTY, body))
                gap = bool(header.flags & GAP)
                return Snapshot(header.epoch, header.seq, state, gap, header.base if gap else 0)
            case Kind.DELTA:
                return _folded(known, header.epoch, header.base, header.seq, body)
            case Kind.EVENTS:
                events = tuple(map(_event_of, _events.decode(body)))
                return Events(header.epoch, header.base, header.seq, events)
            case Kind.STATUS:
                return Status(*_status.decode(body))
            case Kind.REPLY:
                return Reply(*_reply.decode(body))
            case _:
                return None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        if isinstance(error, Malformed | OutOfOrder):
            raise
        raise Malformed(f"no message of {BINARY}: {error}") from None


def _folded(
    known: Snapshot | None, epoch: int, base: int, seq: int, body: memoryview
) -> Snapshot | None:
    if known is None:
        return None
    if (epoch, base) != (known.epoch, known.seq):
        raise OutOfOrder(f"a delta on update {base} of epoch {epoch}, but this one has {known.seq}")
    return Snapshot(epoch, seq, apply(known.state, decode_changes(known.state, body)))


def _event_of(columns: _EventColumns) -> Event:
    values = columns.columns
    match columns.lane:
        case Lane.TIMELINE:
            return Event(columns.lane, columns.incident, timeline=row_of(values, TimelineEntry))
        case Lane.LEDGER:
            return Event(columns.lane, columns.incident, ledger=row_of(values, LedgerRow))
        case Lane.TRACE:
            return Event(columns.lane, trace=msgspec.convert(values, TraceEvent))
