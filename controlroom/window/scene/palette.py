"""Colours, shapes and glyphs: one meaning each, never by colour alone (pure).

Hues are Okabe and Ito's (2008), told apart by all common kinds of colour blindness, lightened where
a dark background swallows them. Roles are pastels and phases are saturated, so that an agent is
not taken for a message.
"""

from typing import NamedTuple

from engine.stream.state import Health

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255 each."""


def of(text: str) -> Colour:
    """The colour that ``#rrggbb`` names."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


FLOOR = of("#04060d")
SKY = of("#0d1a36")
INK = of("#e6eeff")
DIM = of("#8ea3c9")
LINE = of("#4a72b8")
OK = of("#2fd6a3")
WARN = of("#f0e442")
BAD = of("#ff5a36")
GOLD = of("#ffd76a")
TWIN = of("#f0e442")
"""The second head of an equivocation; the first is ``BAD``."""


class Look(NamedTuple):
    """How one kind of thing looks."""

    colour: Colour
    shape: int
    """Index into ``shapes.AGENTS`` or ``shapes.HEADS``."""
    glyph: str
    """The same shape as a character, for labels and the legend."""


ROLES = {
    "detection": Look(of("#9fd3f2"), 0, "●"),
    "diagnosis": Look(of("#b3bcff"), 1, "◆"),
    "prediction": Look(of("#eab8dc"), 2, "▲"),
    "resolution": Look(of("#93e3c8"), 3, "■"),
    "communication": Look(of("#f4dfa0"), 4, "◎"),
}
"""Agents, in the order in which they sit in the council."""
STRANGER = Look(DIM, 0, "●")
"""A role that this release does not know."""

KINDS = {
    "pre-prepare": Look(of("#56b4e9"), 0, "●"),
    "prepare": Look(of("#e07fb8"), 1, "∶"),
    "commit": Look(of("#e69f00"), 2, "◆"),
    "checkpoint": Look(of("#7f93b8"), 3, "■"),
    "view-change": Look(of("#f0e442"), 4, "○"),
    "new-view": Look(of("#ffffff"), 4, "○"),
    "status": Look(of("#5d7299"), 5, "·"),
    "passed-on": Look(of("#b9c7e6"), 3, "▫"),
}
"""Messages; what is not named here travels as ``OTHER``. ``passed-on`` is what another one signed."""
OTHER = Look(of("#7f93b8"), 5, "·")
KIND_NAMES = (*KINDS, "other")
"""A kind's number in columns is its place here."""
KIND_LOOKS = (*KINDS.values(), OTHER)


class Status(NamedTuple):
    """A state of health by colour, glyph and word."""

    colour: Colour
    glyph: str
    word: str


HEALTH = {
    Health.OK: Status(OK, "✓", "ok"),
    Health.WARN: Status(WARN, "!", "warn"),
    Health.BROKEN: Status(BAD, "✖", "broken"),
    Health.UNKNOWN: Status(DIM, "?", "unknown"),
}
