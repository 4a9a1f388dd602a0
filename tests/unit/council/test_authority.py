"""The authority table of the council's law, row by row: who may sign what, and what else is ignored."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from engine.certificate import plan_digest
from engine.council.authority import OFFICE_OF, Office
from engine.genesis import ACTUATOR, PROBE
from engine.policy import Rules
from engine.vocabulary import (
    Acted,
    AgentId,
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
    IncidentKey,
    Noted,
    Opened,
    Operation,
    OutcomeKind,
    Probed,
    Proposed,
    Recovered,
    Refused,
    Replaced,
    Step,
    TakenOver,
    Thawed,
    Undone,
    UndoRequested,
    Verdict,
    Warned,
    Worse,
)
from tests.court import (
    AGENTS,
    ANOMALY,
    CHECKOUT,
    COMMUNICATION,
    DETECTION,
    DIAGNOSIS,
    OPERATOR,
    PREDICTION,
    RESOLUTION,
    STRANGER,
    Court,
    restart,
    roll_back,
)


def nothing(_: Court) -> None:
    """The cluster is new."""


def is_open(court: Court) -> None:
    court.open()


def is_proposed(court: Court) -> None:
    court.open()
    court.propose(restart())


def is_decided(court: Court) -> None:
    court.open()
    court.decide(restart())


def is_certified(court: Court) -> None:
    is_decided(court)
    court.certify()


def is_acted(court: Court) -> None:
    court.run_to_acted(roll_back())


def is_being_undone(court: Court) -> None:
    is_acted(court)
    court.worsen()


@dataclass(frozen=True)
class Row:
    """A row of the table: in this state, this operation counts from these authors alone."""

    state: Callable[[Court], None]
    operation: Callable[[Court, AuthorId], Operation]
    counts_from: tuple[AuthorId, ...]


def certification(court: Court, author: AuthorId) -> Operation:
    return court.certification(AgentId(author))


TABLE: dict[type[Operation], Row] = {
    Opened: Row(nothing, lambda c, a: Opened(CHECKOUT, (ANOMALY,)), AGENTS),
    # The two witnesses who opened it have spoken.
    Corroborated: Row(
        is_open,
        lambda c, a: Corroborated(CHECKOUT, (ANOMALY,)),
        (DIAGNOSIS, RESOLUTION, COMMUNICATION),
    ),
    Diagnosed: Row(is_open, lambda c, a: Diagnosed(CHECKOUT, 1, ()), (DIAGNOSIS,)),
    Warned: Row(
        nothing,
        lambda c, a: Warned(IncidentKey("shop/payments#1"), ANOMALY.signal, 3, 2, 4),
        AGENTS,
    ),
    Proposed: Row(is_open, lambda c, a: Proposed(CHECKOUT, 1, restart()), (RESOLUTION,)),
    Assessed: Row(
        is_proposed,
        lambda c, a: Assessed(CHECKOUT, c.proposal.digest, Verdict.ACCEPT, 900),
        AGENTS,
    ),
    Approved: Row(
        is_proposed,
        lambda c, a: Approved(
            c.command(),
            CHECKOUT,
            c.incident.version,
            plan_digest(restart()),
            restart().not_after_ms,
        ),
        (OPERATOR,),
    ),
    Refused: Row(
        is_proposed,
        lambda c, a: Refused(c.command(), CHECKOUT, c.incident.version, plan_digest(restart())),
        (OPERATOR,),
    ),
    Frozen: Row(nothing, lambda c, a: Frozen(c.command()), (OPERATOR,)),
    Thawed: Row(nothing, lambda c, a: Thawed(c.command()), (OPERATOR,)),
    TakenOver: Row(
        is_open,
        lambda c, a: TakenOver(c.command(), CHECKOUT, c.incident.version),
        (OPERATOR,),
    ),
    Noted: Row(is_open, lambda c, a: Noted(c.command(), CHECKOUT, "looking"), (OPERATOR,)),
    UndoRequested: Row(
        is_acted,
        lambda c, a: UndoRequested(
            c.command(), CHECKOUT, c.incident.version, plan_digest(roll_back())
        ),
        (OPERATOR,),
    ),
    Certified: Row(is_decided, certification, AGENTS),
    Probed: Row(nothing, lambda c, a: Probed("checkout", 1, True, 10), (PROBE,)),
    Acted: Row(
        is_certified, lambda c, a: Acted(c.certificate_name, 0, OutcomeKind.DONE), (ACTUATOR,)
    ),
    Undone: Row(
        is_being_undone, lambda c, a: Undone(c.certificate_name, 0, OutcomeKind.DONE), (ACTUATOR,)
    ),
    Worse: Row(is_acted, lambda c, a: Worse(CHECKOUT, 1), AGENTS),
    Recovered: Row(is_acted, lambda c, a: Recovered(CHECKOUT, 1), AGENTS),
    Elapsed: Row(is_open, lambda c, a: Elapsed(CHECKOUT, 1, Step.DIAGNOSE), AGENTS),
    Convicted: Row(
        nothing, lambda c, a: Convicted(COMMUNICATION, "double commit", b"1", b"2"), AGENTS
    ),
    Replaced: Row(nothing, lambda c, a: c.replaced(COMMUNICATION), (OPERATOR,)),
    Configured: Row(nothing, lambda c, a: c.configured(Rules()), (OPERATOR,)),
}
EVERYONE = (*AGENTS, OPERATOR, ACTUATOR, PROBE, STRANGER)


def court_with_everything() -> Court:
    return Court(probe=True, convict=lambda *_: True)


@pytest.mark.parametrize("author", EVERYONE)
@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_operation_counts_from_its_authors_and_from_nobody_else(
    kind: type[Operation], author: AuthorId
) -> None:
    court, row = court_with_everything(), TABLE[kind]
    row.state(court)
    operation = row.operation(court, author)

    happenings = court.say(author, operation)

    tag = str(operation.__struct_config__.tag)
    assert happenings[0].kind == (tag if author in row.counts_from else "ignored")
    assert happenings[0].operation == operation


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_operation_without_authority_leaves_no_trace(kind: type[Operation]) -> None:
    court, row = court_with_everything(), TABLE[kind]
    row.state(court)

    reason = court.ignored(STRANGER, row.operation(court, STRANGER))

    assert reason == "its author has no authority for it"


AGENT_OPERATIONS = [kind for kind, office in OFFICE_OF.items() if office is Office.AGENT]


@pytest.mark.parametrize("kind", AGENT_OPERATIONS, ids=lambda kind: kind.__name__)
def test_convicted_agent_is_ignored(kind: type[Operation]) -> None:
    court, row = court_with_everything(), TABLE[kind]
    row.state(court)
    culprit = AgentId(row.counts_from[-1])
    court.say(DETECTION, Convicted(culprit, "double commit", b"1", b"2"))

    reason = court.ignored(culprit, row.operation(court, culprit))

    assert reason == "its author is convicted"


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_second_identical_operation_is_ignored(kind: type[Operation]) -> None:
    court, row = court_with_everything(), TABLE[kind]
    row.state(court)
    author = row.counts_from[0]
    operation = row.operation(court, author)
    court.say(author, operation)

    assert court.ignored(author, operation)


def test_table_has_every_operation() -> None:
    assert TABLE.keys() == OFFICE_OF.keys()


def test_submission_of_another_cluster_is_ignored() -> None:
    court, other = Court(), Court(name="other")
    submission, signed = other.sign(DETECTION, Opened(CHECKOUT, (ANOMALY,)))

    (happening,) = court.council.apply(1, submission, signed)

    assert happening.note == "of another cluster or epoch"
    assert not court.council.incidents


def test_prediction_may_open_as_a_deputy_of_detection() -> None:
    court = Court()

    court.say(PREDICTION, Opened(CHECKOUT, (ANOMALY,)))

    assert court.incident.witnesses.keys() == {PREDICTION}
