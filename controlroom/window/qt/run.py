"""Opens the window and stays until it is closed."""

import gc
import signal
import sys
import time
from collections.abc import Mapping

import msgspec
from PySide6.QtCore import QTimer
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication
from vtkmodules.vtkCommonCore import vtkLogger

from controlroom.keymap import BadKeymap
from controlroom.replaying import PlaceLike, Replayed
from controlroom.window.qt.feed import Feed
from controlroom.window.qt.fonts import load_fonts
from controlroom.window.qt.graphics import drawing, renderer_name
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
    renderer: str = ""
    """Who draws, by OpenGL's name; empty: whoever does so on this machine."""
    presenting: bool = False
    still: bool = False
    announcing: bool = False
    """Whether to say on standard output when the swarm is seen: whoever started us may wait for it."""


def run_window(wanted: Wanted) -> int:
    """Show the window until it is closed; Ctrl-C in the terminal closes it too."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Incident Commander")
    load_fonts()
    # VTK's own warnings are about itself; what a viewer must know is said in the window.
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    window = open_window(wanted)
    signal.signal(signal.SIGINT, lambda *_: window.close())
    signal.signal(signal.SIGTERM, lambda *_: window.close())
    looking = QTimer()

    def look() -> None:
        # A signal that came before the loop began has closed the window, and the loop knows nothing.
        if window.is_closed:
            app.quit()

    looking.timeout.connect(look)
    looking.start(SIGNALS_MS)
    if wanted.announcing:
        _announce(window)
    window.begin()
    if wanted.presenting:
        window.present(on=True)
    settle()
    code = app.exec()
    looking.stop()
    return code


def check_keys(keys: Mapping[str, str]) -> None:
    """Refuse keys that no keyboard has.

    Raises:
        BadKeymap: names the first of them and the remedy.
    """
    for action, words in keys.items():
        for word in words.split():
            if not QKeySequence(word).toString():
                raise BadKeymap(
                    f"{action}: {word!r} is no key; keys look like P, Space, Ctrl+S or F12"
                )


def _announce(window: ControlRoomWindow) -> None:
    """Say a word on standard output once a state is on screen."""

    def drawn() -> None:
        if window.view.frames and window.session.shown.agents:
            window.view.drawn.disconnect(drawn)
            sys.stdout.write("shown\n")
            sys.stdout.flush()

    window.view.drawn.connect(drawn)


def settle() -> None:
    """Tell Python's collector that what is loaded stays: to look at all of it takes ten frames' time."""
    gc.freeze()


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
    how = drawing(wanted.quality, wanted.renderer or renderer_name())
    return ControlRoomWindow(session, place, feed, drawing=how, keys=wanted.keys)
