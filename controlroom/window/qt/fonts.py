"""The window's own fonts, which lie in ``assets/fonts`` with their licences."""

from functools import lru_cache
from pathlib import Path

from PySide6.QtGui import QFont, QFontDatabase

FOLDER = Path(__file__).resolve().parents[3] / "assets" / "fonts"
FILES = ("Inter-Regular.otf", "Inter-SemiBold.otf", "JetBrainsMono-Regular.ttf")
SANS, MONO = "Inter", "JetBrains Mono"
BODY, SMALL, LARGE, CAPTION, TITLE = 12, 10, 17, 26, 15
"""Sizes in pixels of a screen whose scale is 1; Qt multiplies them on a denser one."""


class FontMissing(ValueError):
    """A font that cannot be loaded; the message names the file."""


def load_fonts() -> tuple[str, ...]:
    """Register the fonts with Qt; returns their families. Needs a ``QGuiApplication``.

    Raises:
        FontMissing: a file is missing or is no font.
    """
    families: list[str] = []
    for name in FILES:
        number = QFontDatabase.addApplicationFont(str(FOLDER / name))
        if number < 0:
            raise FontMissing(f"{FOLDER / name}: this font cannot be loaded; restore the file")
        families += QFontDatabase.applicationFontFamilies(number)
    return tuple(dict.fromkeys(families))


@lru_cache(maxsize=32)
def font(size: int = BODY, *, mono: bool = False, bold: bool = False) -> QFont:
    """One of the window's fonts, ``size`` pixels high."""
    found = QFont(MONO if mono else SANS)
    found.setPixelSize(size)
    if bold:
        found.setWeight(QFont.Weight.DemiBold)
    if not mono:
        # Figures of one width: a number that changes must not make its neighbours jump.
        found.setFeature(QFont.Tag("tnum"), 1)
    return found
