"""Bytes of one tick in which a fifth of fifty agents change, in our form and in the plain one (pure)."""

import zlib

import msgspec
from msgspec.structs import replace

from engine.stream.frames import delta_frame
from engine.stream.state import AgentRow, Health, ScreenState
from engine.stream.wire import BINARY, Snapshot

_AT_MS = 1_790_000_000_000


def _before_and_after() -> tuple[ScreenState, ScreenState]:
    agents = {
        f"detection-{n}": AgentRow(
            f"detection-{n}", "detection", Health.OK, n == 0, 3, 1000, "idle", "", 0, 0.0
        )
        for n in range(50)
    }
    changed = dict(agents)
    for name in list(agents)[10:20]:
        changed[name] = replace(
            agents[name], executed=1001, phase="committed", vote="accept", age_s=2.0
        )
    return ScreenState(_AT_MS, agents=agents), ScreenState(_AT_MS + 100, agents=changed)


def fifth_of_fifty() -> int:
    """Bytes of the one frame."""
    old, new = _before_and_after()
    return len(delta_frame(BINARY, Snapshot(1, 1, old), Snapshot(1, 2, new), 1))


def fifth_of_fifty_deflated() -> int:
    """Bytes of the same frame compressed, as permessage-deflate would at its best (RFC 7692)."""
    old, new = _before_and_after()
    frame = delta_frame(BINARY, Snapshot(1, 1, old), Snapshot(1, 2, new), 1)
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    return len(squeezed.compress(frame) + squeezed.flush())


def batched_and_json() -> tuple[int, int]:
    """Bytes of the one frame, and of a JSON message for each agent that changed."""
    old, new = _before_and_after()
    alone = [
        len(msgspec.json.encode({"op": "agent", "seq": 2, "at_ms": new.at_ms, "agent": row}))
        for name, row in new.agents.items()
        if row != old.agents[name]
    ]
    # Each has a frame header of its own: four bytes from 126 on.
    return fifth_of_fifty(), sum(alone) + 4 * len(alone)
