"""Everything that a key does in the window, with the key it has by default (pure).

What the console does too has the same name there, and the same key but for the deploy drawer: the
drawer has the ``D``. Keys are written as Qt writes
them: ``Space``, ``Ctrl+S``, ``[``; several are separated by spaces.
"""

from typing import NamedTuple


class Action(NamedTuple):
    """One thing that a key does."""

    id: str
    keys: str
    words: str
    group: str


COMMANDS, TIME, LOOKING, SCREEN = "commands", "time", "looking", "screen"

ACTIONS = (
    Action("approve", "A", "approve the plan", COMMANDS),
    Action("refuse", "R", "refuse the plan", COMMANDS),
    Action("freeze", "Space", "freeze or thaw all automation", COMMANDS),
    Action("take-over", "T", "take the incident over", COMMANDS),
    Action("undo", "U", "undo what was done", COMMANDS),
    Action("note", "N", "write a note for the record", COMMANDS),
    Action("drill", "B", "start a drill: break something for real", COMMANDS),
    Action("deploy", "Shift+D", "deploy: open or close its drawer", COMMANDS),
    Action("pause", "P", "pause, go on", TIME),
    Action("earlier", "[", "step to what happened before", TIME),
    Action("later", "]", "step to what happened next", TIME),
    Action("much-earlier", "{", "10 s back", TIME),
    Action("much-later", "}", "10 s on", TIME),
    Action("slower", ",", "slower", TIME),
    Action("faster", ".", "faster", TIME),
    Action("live", "L", "follow live, or go to the end", TIME),
    Action("skip-quiet", "S", "skip quiet stretches, or do not", TIME),
    Action("overview", "O Home", "see everything", LOOKING),
    Action("next-agent", "V Tab", "visit the next agent", LOOKING),
    Action("previous-agent", "Shift+V Shift+Tab", "visit the agent before", LOOKING),
    Action("incident", "I", "visit the failing service", LOOKING),
    Action("search", "/ Ctrl+F", "find by name", LOOKING),
    Action("clear", "Esc", "choose nothing", LOOKING),
    Action("nearer", "+ =", "nearer", LOOKING),
    Action("farther", "-", "farther", LOOKING),
    Action("turn-left", "Left", "turn", LOOKING),
    Action("turn-right", "Right", "turn", LOOKING),
    Action("turn-up", "Up", "tilt", LOOKING),
    Action("turn-down", "Down", "tilt", LOOKING),
    Action("drawer", "D", "open or close the drawer", SCREEN),
    Action("legend", "G", "what the signs mean", SCREEN),
    Action("presentation", "M", "presentation: let the incident tell itself", SCREEN),
    Action("reduced-motion", "E", "less motion, or all of it", SCREEN),
    Action("full-screen", "F F11", "full screen", SCREEN),
    Action("screenshot", "F12 Ctrl+S", "save a picture", SCREEN),
    Action("copy", "Y", "copy what is chosen", SCREEN),
    Action("keys", "?", "these keys", SCREEN),
    Action("quit", "Q Ctrl+Q", "close the window", SCREEN),
)
GROUPS = (COMMANDS, TIME, LOOKING, SCREEN)


def action_ids() -> set[str]:
    """What the table ``[window]`` of a keymap file may name."""
    return {action.id for action in ACTIONS}
