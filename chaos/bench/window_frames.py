"""One process that opens the real window and says how its frames behave: ``python -m`` this module.

Its own process: OpenGL reads ``GALLIUM_NOOP`` when it starts, and Qt its screen. It replays a recorded
drill of five agents at quality low, beside an empty window where pacing is compared. Prints one line
of JSON.
"""

import gc
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["QT_API"] = "pyside6"

import msgspec
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import QApplication

from chaos.pictures import INCIDENTS
from controlroom.window.qt.fonts import load_fonts
from controlroom.window.qt.graphics import renderer_name
from controlroom.window.qt.pacer import FRAME_S, Pacer
from controlroom.window.qt.run import Wanted, open_window, settle
from controlroom.window.qt.window import ControlRoomWindow
from controlroom.window.transport import Mode
from engine.playback import read_recording

WIDTH, HEIGHT = 1280, 720
ROUNDS, ROUND_S = 8, 2.0
WARM_UP = 120
WAKES_MS = 50
PAGE = resource.getpagesize()


class Behaviour(msgspec.Struct, frozen=True):
    """How the window's frames behaved."""

    renderer: str
    renders: int = 0
    frames: int = 0
    """Shown while ``renders`` were counted."""
    live_ms: list[float] = []
    """Between swaps of the window; ``empty_ms`` of an empty one, in turns with it."""
    empty_ms: list[float] = []
    fps: float = 0.0
    process_ms: float = 0.0
    """Processor time of all threads for a frame, drawing included."""
    grown_mib: float = 0.0
    none_changed: int = 0
    """References to None that were lost or gained while ``many`` frames were shown."""
    many: int = 0


class Empty(QOpenGLWidget):
    """A window in which nothing is drawn: the least that a frame can cost here."""

    def __init__(self) -> None:
        super().__init__()
        self.pacer = Pacer(self, self.frameSwapped, self.update)


def pump(app: QApplication, until: Callable[[], bool]) -> None:
    """Let Qt live until ``until`` says so; asleep while nothing happens, as an application is."""
    while not until():
        app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def for_seconds(app: QApplication, seconds: float) -> None:
    """Let Qt live for so long."""
    end_s = time.perf_counter() + seconds
    waking = QTimer()
    waking.start(WAKES_MS)
    pump(app, lambda: time.perf_counter() >= end_s)
    waking.stop()


def resident_mib() -> float:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * PAGE / (1 << 20)


def pacing(app: QApplication, window: ControlRoomWindow) -> tuple[list[float], list[float]]:
    """Milliseconds between swaps of the window and of an empty one, in turns."""
    empty = Empty()
    empty.resize(WIDTH, HEIGHT)
    window.view.stop()
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for shown, pacer, kept in (
            (window, window.view.pacer, found[0]),
            (empty, empty.pacer, found[1]),
        ):
            shown.show()
            shown.raise_()
            pacer.stopped = False
            pacer.start()
            for_seconds(app, 0.5)
            pacer.intervals.clear()
            for_seconds(app, ROUND_S)
            kept += [1000 * seconds for seconds in pacer.intervals]
            pacer.stop()
            for_seconds(app, 0.1)
        empty.hide()
    empty.close()
    empty.deleteLater()
    window.view.pacer.stopped = False
    window.view.start()
    return found


def renders(app: QApplication, window: ControlRoomWindow, frames: int) -> tuple[int, int]:
    """How often VTK rendered while so many frames were shown."""
    count = 0

    def rendered(*_: object) -> None:
        nonlocal count
        count += 1

    observer = window.view.renderer.AddObserver("EndEvent", rendered)
    before = window.view.frames
    pump(app, lambda: window.view.frames >= before + frames)
    shown = window.view.frames - before
    window.view.renderer.RemoveObserver(observer)
    return count, shown


def lasting(app: QApplication, window: ControlRoomWindow, many: int) -> tuple[float, int]:
    """How memory and the references to None change over ``many`` frames, as fast as they come."""
    pacer = window.view.pacer
    pacer.frame_s = 0.0
    start = pacer.frames
    # What is kept from frame to frame, pixmaps of labels for instance, fills up first.
    pump(app, lambda: pacer.frames >= start + many // 4)
    gc.collect()
    before = resident_mib(), sys.getrefcount(None)
    start = pacer.frames
    pump(app, lambda: pacer.frames >= start + many)
    gc.collect()
    after = resident_mib(), sys.getrefcount(None)
    pacer.frame_s = FRAME_S
    return after[0] - before[0], abs(before[1] - after[1])


def speed(app: QApplication, window: ControlRoomWindow, seconds: float) -> tuple[float, float]:
    """Frames a second, and milliseconds of processor time for each."""
    frames, wall_s, cpu_s = window.view.frames, time.perf_counter(), time.process_time()
    for_seconds(app, seconds)
    shown = window.view.frames - frames
    return (
        shown / (time.perf_counter() - wall_s),
        1000 * (time.process_time() - cpu_s) / max(1, shown),
    )


def keep_playing(window: ControlRoomWindow) -> None:
    """A replay that has ended begins again: its messages, its incident, everything."""
    transport = window.session.transport
    transport.skip_quiet = False

    def drawn() -> None:
        now_s = time.monotonic()
        if transport.shown(now_s).mode is Mode.PAUSED:
            transport.play(now_s)

    window.view.drawn.connect(drawn)


def main(words: list[str]) -> int:
    """``speed SECONDS``, ``lasting FRAMES`` or ``pace FRAMES``."""
    what, amount = words[0], float(words[1])
    app = QApplication(sys.argv[:1])
    load_fonts()
    recording = read_recording(INCIDENTS / "kill-payments" / "ledger.sqlite")
    renderer = renderer_name()
    # As a graphics card would be used, where Mesa stands in for one and draws nothing.
    drawn_by = "" if what in ("speed", "lasting") else "a graphics card"
    window = open_window(Wanted(recording=recording, quality="low", renderer=drawn_by))
    window.resize(WIDTH, HEIGHT)
    window.begin()
    keep_playing(window)
    pump(app, lambda: window.view.frames >= WARM_UP // 4)
    settle()
    if what == "speed":
        fps, process_ms = speed(app, window, amount)
        found = Behaviour(renderer, fps=fps, process_ms=process_ms)
    elif what == "lasting":
        # Really drawn, and small: with GALLIUM_NOOP Mesa never gives a buffer back.
        window.resize(320, 240)
        grown, lost = lasting(app, window, int(amount))
        found = Behaviour(renderer, grown_mib=grown, none_changed=lost, many=int(amount))
    else:
        rendered, shown = renders(app, window, int(amount))
        found = Behaviour(renderer, rendered, shown, *pacing(app, window))
    window.close()
    window.deleteLater()
    app.processEvents()
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
