"""What a tick of the stream costs the window: decoding, folding and keeping it, for 500 agents."""

import time

import numpy as np
from msgspec.structs import replace

from chaos.bench.measured import Tell, lower
from chaos.bench.scene_load import load
from controlroom.window.session import Session
from engine.bench.figure import Figure
from engine.stream.connection import Received
from engine.stream.frames import delta_frame, read_message
from engine.stream.state import ScreenState
from engine.stream.wire import BINARY, Snapshot

__all__ = ["decoding"]

AGENTS, TICKS, HZ = 500, 200, 20
CHANGING = 25
"""Agents that change in one tick: each speaks once a second."""


def decoding(tell: Tell) -> list[Figure]:
    """Processor time of the thread for one tick, from the frame's bytes to the shown state."""
    states = _states()
    known = Snapshot(1, 1, states[0])
    session = Session()
    decode_ms: list[float] = []
    take_ms: list[float] = []
    sizes: list[int] = []
    for seq, state in enumerate(states[1:], 2):
        frame = delta_frame(BINARY, known, Snapshot(1, seq, state), seq)
        payload = _payload(frame)
        begun = time.thread_time()
        heard = read_message(payload, known)
        decoded = time.thread_time()
        assert isinstance(heard, Snapshot)
        assert heard.state == state
        known = heard
        session.take([Received(heard, seq * 10**9 // HZ)], [], seq / HZ)
        decode_ms.append(1000 * (decoded - begun))
        take_ms.append(1000 * (time.thread_time() - decoded))
        sizes.append(len(payload))
    tell(f"{TICKS} ticks of {AGENTS} agents, {CHANGING} of whom change: {np.mean(sizes):.0f} bytes")
    beside = {
        "p99": float(np.percentile(decode_ms, 99)), "bytes": float(np.mean(sizes)),
        "then taken into the scene": float(np.median(take_ms)),
    }  # fmt: skip
    return [lower("decode a tick, 500 agents", float(np.median(decode_ms)), "ms", 1.0, beside)]


def _states() -> list[ScreenState]:
    """A busy swarm over a busy fleet: agents in turn, and every service and link, change."""
    state = load(AGENTS, 1).frames[0].state
    found = [state]
    for tick in range(1, TICKS + 1):
        agents = dict(state.agents)
        for name in [*agents][tick * CHANGING % AGENTS :][:CHANGING]:
            agents[name] = replace(agents[name], executed=tick, phase="committed")
        state = replace(
            state,
            at_ms=state.at_ms + 1000 // HZ,
            agents=agents,
            services={n: replace(it, rate=it.rate + 0.5) for n, it in state.services.items()},
            links={n: replace(it, rate=it.rate + 0.5) for n, it in state.links.items()},
        )
        found.append(state)
    return found


def _payload(frame: bytes) -> bytes:
    """A WebSocket frame (RFC 6455) without its header, as the library hands it on."""
    length = frame[1] & 0x7F
    return frame[{126: 4, 127: 10}.get(length, 2) :]
