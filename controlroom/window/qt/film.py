"""``main.py window --record FILE --replay LEDGER``: a recording as a film, frame by frame.

Nothing is timed: each frame is drawn for its own moment, however long that takes, so a slow machine
makes the same film as a quick one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import imageio.v2 as imageio
import msgspec

from controlroom.window.qt.picture import Photographer
from controlroom.window.session import Session
from controlroom.window.transport import Mode
from engine.stream.recording import Recording

RATE = 30
WIDTH, HEIGHT = 1280, 720
LONGEST_S = 30 * 60.0
"""A film ends after half an hour, however long the recording is."""
HOLD_S = 1.5
"""The last picture stays for so long."""
SUFFIXES = (".mp4", ".mkv", ".webm")

Progress = Callable[[str], None]


class Film(msgspec.Struct, frozen=True):
    """What film is made."""

    path: Path
    presenting: bool = False
    still: bool = False
    width: int = WIDTH
    height: int = HEIGHT
    rate: int = RATE


class CannotRecord(ValueError):
    """A film that cannot be made; the message says why and what to do."""


def check(path: Path) -> None:
    """Whether a film can be written to ``path``.

    Raises:
        CannotRecord: it cannot, in words for people.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise CannotRecord(f"{path}: a film ends in {', '.join(SUFFIXES)}")
    if path.exists():
        raise CannotRecord(f"{path} exists; name a new file")
    if not path.parent.is_dir():
        raise CannotRecord(f"{path.parent}: there is no such folder")


def record(recording: Recording, film: Film, progress: Progress = lambda _: None) -> int:
    """Make the film; returns how many frames it has. What is half written is taken away again.

    Raises:
        CannotRecord: the file cannot be written.
    """
    check(film.path)
    session = Session(recording, still=film.still)
    photographer = Photographer(session, film.width, film.height, presenting=film.presenting)
    if film.presenting:
        session.transport.faster(-1, 0.0)
    partial = film.path.with_name(f".{film.path.name}.partial{film.path.suffix}")
    try:
        frames = _write(partial, film, session, photographer, progress)
        partial.rename(film.path)
    except OSError as error:
        raise CannotRecord(f"{film.path}: {error}") from None
    finally:
        photographer.close()
        partial.unlink(missing_ok=True)
    return frames


def _write(
    path: Path, film: Film, session: Session, photographer: Photographer, progress: Progress
) -> int:
    frames = 0
    writer = imageio.get_writer(
        path, fps=film.rate, codec="libx264", quality=8, macro_block_size=2, format="FFMPEG"
    )
    try:
        for now_s in _moments(film, session):
            writer.append_data(photographer.picture(now_s))
            frames += 1
            if frames % film.rate == 0:
                share = _share(session, now_s)
                progress(f"{frames // film.rate} s of film, {share:.0%} of the recording")
    finally:
        writer.close()
    return frames


def _moments(film: Film, session: Session) -> Iterator[float]:
    """The clock of the viewer, frame by frame, until the recording has been shown."""
    ended = 0
    for number in range(round(LONGEST_S * film.rate)):
        now_s = number / film.rate
        yield now_s
        if session.transport.shown(now_s).mode is Mode.PAUSED:
            ended += 1
            if ended > HOLD_S * film.rate:
                return


def _share(session: Session, now_s: float) -> float:
    timeline = session.timeline
    length_s = max(1e-9, timeline.last_s - timeline.first_s)
    return (session.transport.position(now_s) - timeline.first_s) / length_s
