"""``main.py bench window``: what a frame costs, whether it keeps its promises, and the proofs.

Everything here is processor time, taken in processes of their own, so that neighbours on the
machine matter little. With ``GALLIUM_NOOP=1`` Mesa makes every call and draws nothing: what is left
is what a graphics card would leave to the processor, a budget at 60 Hz and not a frame rate. No
graphics card has been measured.
"""

import msgspec
import numpy as np

from chaos.bench.measured import Tell, lower, measured
from chaos.bench.real_window import real_window
from chaos.bench.scene_frames import Cost
from chaos.bench.ticks import decoding
from chaos.pictures import INCIDENTS
from engine.bench.figure import Figure
from engine.playback import read_recording

FRAMES = 240


def bench(tell: Tell) -> list[Figure]:
    """Measure everything; ``tell`` hears of the progress."""
    return [*_budget(tell), *_overhead(tell), *_drawn(tell), *decoding(tell), *real_window(tell)]


def _run(words: list[str], *, noop: bool) -> Cost:
    """The costs that a process of its own measured."""
    said = measured(["chaos.bench.scene_frames", *words], {"GALLIUM_NOOP": "1"} if noop else {})
    return msgspec.json.decode(said, type=Cost)


def _budget(tell: Tell) -> list[Figure]:
    """Processor time of the main thread for one frame, nothing drawn by Mesa."""
    found = []
    aims = {(5, 60): (3.0, 0.0), (50, 500): (0.0, 0.0), (500, 5_000): (4.0, 8.0)}
    for (agents, messages), (p50_aim, p99_aim) in aims.items():
        cost = _run([str(agents), str(messages), str(FRAMES)], noop=True)
        tell(
            f"{agents} agents: GL_RENDERER {cost.renderer}, {cost.actors} actors, {cost.labels} labels"
        )
        p50, p99 = np.percentile(cost.thread_ms, (50, 99)).tolist()
        beside: dict[str, float] = {
            "messages": cost.messages, "labels": cost.labels, "frames": FRAMES, "least": min(cost.thread_ms),
        }  # fmt: skip
        found.append(lower(f"frame, {agents} agents, p50", p50, "ms", p50_aim, beside))
        found.append(lower(f"frame, {agents} agents, p99", p99, "ms", p99_aim, beside))
        found.append(lower(f"actors, {agents} agents", cost.actors, "", 30, {}))
    return found


def _overhead(tell: Tell) -> list[Figure]:
    """A live scene beside the same one held still, frame by frame, drawn by the processor."""
    cost = _run(["500", "5000", "60", "still"], noop=False)
    tell(f"live and still, interleaved: GL_RENDERER {cost.renderer}")
    live, still = np.median(cost.process_ms), np.median(cost.still_process_ms)
    thread = float(np.median(cost.thread_ms) / np.median(cost.still_thread_ms))
    beside = {
        "live ms": round(float(live), 1), "still ms": round(float(still), 1),
        "of the main thread": round(thread, 3),
    }  # fmt: skip
    return [lower("live against still, 500 agents", float(live / still), "×", 1.15, beside)]


def _drawn(tell: Tell) -> list[Figure]:
    """Whether every record of a recorded drill's trace is drawn once, or counted as folded."""
    from controlroom.window.session import Session

    recording = read_recording(INCIDENTS / "equivocating-primary" / "ledger.sqlite")
    session = Session(recording)
    messages, seen = session.scene.messages, set[int]()
    timeline = session.timeline
    for step in range(int((timeline.last_s - timeline.first_s + 16.0) * 30)):
        rows = messages.under_way(timeline.first_s - 1.0 + step / 30)
        seen.update(rows.number[rows.records > 0].tolist())
    lost = len(recording.messages) - len(seen) - messages.folded - messages.strangers
    tell(
        f"{len(recording.messages)} records of a drill: {len(seen)} drawn, {messages.folded} folded"
    )
    beside: dict[str, float] = {
        "records": len(recording.messages), "drawn": len(seen), "folded": messages.folded,
    }  # fmt: skip
    return [Figure("records not drawn", lost, "", 0, "lower", lost == 0, beside)]
