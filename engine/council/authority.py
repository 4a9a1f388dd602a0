"""Who may sign which operation: the first half of the design's authority table (pure).

The other half, when an operation counts and its identity, is in ``engine.council.fold``.
"""

from enum import Enum, auto

from engine.genesis import ACTUATOR, PROBE, Genesis
from engine.vocabulary import (
    Acted,
    Approved,
    Assessed,
    AuthorId,
    Certified,
    Configured,
    Convicted,
    Corroborated,
    Diagnosed,
    Elapsed,
    Frozen,
    Noted,
    Opened,
    Operation,
    Probed,
    Proposed,
    Recovered,
    Refused,
    Replaced,
    Role,
    Step,
    TakenOver,
    Thawed,
    Undone,
    UndoRequested,
    Warned,
    Worse,
)


class Office(Enum):
    """What kind of author somebody is."""

    AGENT = auto()
    OPERATOR = auto()
    ACTUATOR = auto()
    PROBE = auto()


OFFICE_OF: dict[type[Operation], Office] = {
    Opened: Office.AGENT,
    Corroborated: Office.AGENT,
    Diagnosed: Office.AGENT,
    Warned: Office.AGENT,
    Proposed: Office.AGENT,
    Assessed: Office.AGENT,
    Certified: Office.AGENT,
    Worse: Office.AGENT,
    Recovered: Office.AGENT,
    Elapsed: Office.AGENT,
    Convicted: Office.AGENT,
    Approved: Office.OPERATOR,
    Refused: Office.OPERATOR,
    Frozen: Office.OPERATOR,
    Thawed: Office.OPERATOR,
    TakenOver: Office.OPERATOR,
    Noted: Office.OPERATOR,
    UndoRequested: Office.OPERATOR,
    Replaced: Office.OPERATOR,
    Configured: Office.OPERATOR,
    Probed: Office.PROBE,
    Acted: Office.ACTUATOR,
    Undone: Office.ACTUATOR,
}

DUTY_OF: dict[type[Operation], tuple[Role, Step | None]] = {
    Opened: (Role.DETECTION, None),
    Diagnosed: (Role.DIAGNOSIS, Step.DIAGNOSE),
    Warned: (Role.PREDICTION, None),
    Proposed: (Role.RESOLUTION, Step.PROPOSE),
}
"""Operations that belong to a role, and the step after whose end anyone may take it. ``Opened`` and
``Warned`` start something, so there is no step that could elapse: deputies may claim at once, and
the f+1 corroborations keep a lone claim harmless."""


def office_of(author: AuthorId, genesis: Genesis) -> Office | None:
    """What kind of author ``author`` is; None for a stranger."""
    if author == ACTUATOR:
        return Office.ACTUATOR
    if author == PROBE:
        return Office.PROBE if genesis.probe else None
    if author in genesis.operators:
        return Office.OPERATOR
    if any(member.id == author for member in genesis.agents):
        return Office.AGENT
    return None


def role_of(author: AuthorId, genesis: Genesis) -> Role | None:
    """The role of an agent; None for anyone else."""
    return next((member.role for member in genesis.agents if member.id == author), None)


def may_sign(operation: Operation, author: AuthorId, genesis: Genesis) -> bool:
    """Whether ``author`` holds the office that ``operation`` asks for."""
    return office_of(author, genesis) is OFFICE_OF[type(operation)]


def needs_deputy(operation: Operation, author: AuthorId, genesis: Genesis) -> Step | None:
    """The step that must have elapsed before ``author`` may sign; None when it is its own duty."""
    duty = DUTY_OF.get(type(operation))
    if duty is None or role_of(author, genesis) is duty[0]:
        return None
    return duty[1]
