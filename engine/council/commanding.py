"""What operators order beside their word on a plan: freeze, take over, note."""

from engine.council.deciding import try_to_decide
from engine.council.docket import Docket, Ignored
from engine.council.state import IncidentStatus
from engine.vocabulary import (
    CommandId,
    Frozen,
    Noted,
    TakenOver,
    Thawed,
)

MAX_COMMANDS_PER_OPERATOR = 1024
"""Command ids remembered: what an operator's client may still be sending again."""


def once(docket: Docket, command: CommandId) -> None:
    """Take each command once, under the id that its operator gave it.

    The first one ordered wins even when it is then ignored, because the incident has moved on: the
    operator judges anew and orders under a new id.
    """
    known = docket.commands.setdefault(docket.author, {})
    if command in known:
        raise Ignored("this command was ordered before")
    known[command] = None
    if len(known) > MAX_COMMANDS_PER_OPERATOR:
        del known[next(iter(known))]


def frozen(docket: Docket, _: Frozen) -> None:
    """Stop deciding; what is certified already is stopped by the actuator itself."""
    docket.frozen = True


def thawed(docket: Docket, _: Thawed) -> None:
    """Go on; what was carried meanwhile is decided now."""
    docket.frozen = False
    for incident in docket.open_incidents:
        try_to_decide(docket, incident)


def taken_over(docket: Docket, operation: TakenOver) -> None:
    """Leave the incident to the operator; the swarm only watches."""
    docket.seen(operation.incident, operation.version).move(IncidentStatus.TAKEN_OVER)


def noted(docket: Docket, operation: Noted) -> None:
    """Keep the remark in the log, where it is; nothing follows from it."""
    if operation.incident not in docket.incidents:
        raise Ignored("no such incident")
