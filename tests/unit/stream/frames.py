"""Takes apart the bytes that a hub writes, as a client's library would."""

from engine.stream.fold import fold
from engine.stream.frames import read_message
from engine.stream.state import ScreenState
from engine.stream.wire import Delta, ServerMessage, Snapshot


def messages_in(
    data: bytes, state: ScreenState | None = None, epoch: int = 0, seq: int = 0
) -> list[ServerMessage]:
    """The messages in ``data``, deltas folded onto ``state``."""
    known = Snapshot(epoch, seq, state) if state is not None else None
    found: list[ServerMessage] = []
    while data:
        opcode, size = data[0] & 15, data[1]
        start = {126: 4, 127: 10}.get(size, 2)
        if size > 125:
            size = int.from_bytes(data[2:start], "big")
        payload, data = data[start : start + size], data[start + size :]
        message = read_message(payload.decode() if opcode == 1 else payload, known)
        if isinstance(message, Delta) and known is not None:
            message = fold(known, message)
        if message is not None:
            found.append(message)
    return found
