"""Opens the window and stays until it is closed."""

import signal
import sys
import time
from collections.abc import Mapping

import msgspec
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from controlroom.replaying import PlaceLike, Replayed
from controlroom.window.qt.feed import Feed
from controlroom.window.qt.fonts import load_fonts
from controlroom.window.qt.window import ControlRoomWindow
from controlroom.window.session import Session
from engine.stream.recording import Recording
from engine.stream.runs import Place

SIGNALS_MS = 200
"""Python looks at its signals only while it runs: so often, at least."""


class Wanted(msgspec.Struct, frozen=True):
    """What the command line asked for."""

    place: Place | None = None
    """Where the engine is; none for a recording."""
    recording: Recording | None = None
    keys: Mapping[str, str] = {}
    quality: str = "auto"
    presenting: bool = False
    still: bool = False


def run_window(wanted: Wanted) -> int:
    """Show the window until it is closed; Ctrl-C in the terminal closes it too."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Incident Commander")
    load_fonts()
    window = open_window(wanted)
    signal.signal(signal.SIGINT, lambda *_: window.close())
    signal.signal(signal.SIGTERM, lambda *_: window.close())
    looking = QTimer()
    looking.timeout.connect(lambda: None)
    looking.start(SIGNALS_MS)
    window.begin()
    if wanted.presenting:
        window.present(on=True)
    code = app.exec()
    looking.stop()
    return code


def open_window(wanted: Wanted) -> ControlRoomWindow:
    """The window, not shown yet."""
    session = Session(wanted.recording, still=wanted.still)
    feed: Feed | None = None
    place: PlaceLike
    if wanted.recording is not None:
        place = Replayed(wanted.recording, time.monotonic_ns)
    else:
        place = wanted.place or Place()
        feed = Feed(place)
    return ControlRoomWindow(session, place, feed, keys=wanted.keys, quality=wanted.quality)
