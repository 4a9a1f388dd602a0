"""Laws of the council, for any log: whatever anyone says, in whatever order."""

import os
import subprocess
import sys
from collections import Counter
from enum import Enum
from functools import cache
from pathlib import Path
from random import Random
from types import NoneType, UnionType
from typing import Any, NewType, get_args, get_origin, get_type_hints

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.certificate import certificate_digest, objection_to, plan_digest, sign_body
from engine.codec import NO_DIGEST
from engine.council import Council, Happening, Incident, IncidentStatus
from engine.council.authority import OFFICE_OF
from engine.council.planning import action_digest
from engine.genesis import ACTUATOR, PROBE
from engine.policy import Automation, Limits, Rules
from engine.vocabulary import (
    Acted,
    Approved,
    Assessed,
    AuthorId,
    Certified,
    Corroborated,
    Diagnosed,
    Elapsed,
    FaultKind,
    Frozen,
    Hypothesis,
    Opened,
    Operation,
    OutcomeKind,
    Policy,
    Probed,
    Proposed,
    Recovered,
    Refused,
    Step,
    TakenOver,
    Thawed,
    Undone,
    UndoRequested,
    Verdict,
    Worse,
)
from tests.court import (
    AGENTS,
    ANOMALY,
    CHECKOUT,
    COMMUNICATION,
    OPERATOR,
    PAYMENTS,
    STRANGER,
    VERIFIER,
    Court,
    restart,
    roll_back,
    signer_of,
)

AUTHORS = (*AGENTS, OPERATOR, ACTUATOR, PROBE, STRANGER)
PLANS = (restart(), restart(pid=4712), roll_back(), restart("postgres"))
MIXED = Rules(
    automation=Automation(low=Policy.AUTO, medium=Policy.ASK, high=Policy.AUTO),
    limits=Limits(attempts=3),
)
LAW = settings(max_examples=40, deadline=None)


# --- arbitrary operations: of any type, with any contents -----------------------------------------


@cache
def of_type(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 -- a type hint
    """Anything that a field with this type hint can hold on the wire."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1),
        str: st.sampled_from([CHECKOUT, "checkout", "payments", OPERATOR]) | st.text(max_size=8),
        bytes: st.binary(max_size=40),
        NoneType: st.none(),
    }
    if isinstance(hint, NewType):
        return of_type(hint.__supertype__)
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is tuple:
        return st.lists(of_type(get_args(hint)[0]), max_size=2).map(tuple)
    # ``A | B`` over msgspec Structs is a ``types.UnionType``; ``typing`` makes its own of others.
    if isinstance(hint, UnionType) or str(get_origin(hint)) == "typing.Union":
        return st.one_of(*(of_type(part) for part in get_args(hint)))
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    return st.builds(hint, **{name: of_type(part) for name, part in get_type_hints(hint).items()})


arbitrary = st.one_of(*(of_type(kind) for kind in OFFICE_OF))


@LAW
@given(st.lists(st.tuples(st.sampled_from(AUTHORS), st.lists(arbitrary, max_size=3)), max_size=12))
def test_nothing_in_a_log_can_make_the_fold_raise(
    script: list[tuple[AuthorId, list[Operation]]],
) -> None:
    court = Court(probe=True)
    court.open()

    for author, operations in script:
        happenings = court.say(author, *operations)
        assert len(happenings) >= len(operations)

    court.council.digest()


# --- a play: operations that fit what the council has in hand, by authors honest and not ----------


def plausible(rng: Random, court: Court, author: AuthorId) -> Operation:
    """Something about what the council has in hand, right or slightly wrong."""
    incidents = court.council.open_incidents
    if rng.random() < 0.02:
        incidents = list(court.council.incidents.values())
    if not incidents or rng.random() < 0.01:
        subject = rng.choice(["checkout", "payments", "redis"])
        return Opened(court.council.next_key(subject), (ANOMALY,))
    incident = rng.choice(incidents)
    if author in AGENTS:
        return agents_line(rng, incident, author)
    if author == OPERATOR:
        return operators_line(rng, court, incident)
    body = incident.attempt.body
    name = certificate_digest(body) if body else NO_DIGEST
    if author == PROBE:
        return Probed("checkout", len(court.log), rng.random() < 0.5, 6_000)
    outcome = rng.choice([OutcomeKind.DONE] * 4 + list(OutcomeKind))
    if (incident.status is IncidentStatus.UNDOING) != (rng.random() < 0.1):
        return Undone(name, rng.choice([0, 0, 0, 1]), outcome)
    return Acted(name, rng.choice([0, 0, 0, 1]), outcome)


def agents_line(rng: Random, incident: Incident, author: AuthorId) -> Operation:
    attempt, key = incident.attempt, incident.key
    number = attempt.number - (rng.random() < 0.1)
    digest = rng.choice(list(attempt.proposals) or [NO_DIGEST])
    body = attempt.body
    if body is not None and rng.random() < 0.5:
        signature = sign_body(body, signer_of(author))
        return Certified(key, attempt.chosen or digest, certificate_digest(body), signature)
    if attempt.proposals and rng.random() < 0.5:
        verdict = rng.choice([Verdict.ACCEPT] * 5 + [Verdict.REJECT, Verdict.ABSTAIN])
        before = attempt.proposals[digest].assessments.get(author)
        fresh = Assessed(key, digest, verdict, rng.randrange(1001))
        return before if before and rng.random() < 0.98 else fresh
    lines: list[Operation] = [
        Corroborated(key, (ANOMALY,)),
        Diagnosed(key, number, (Hypothesis(PAYMENTS, FaultKind.CRASH, 900),)),
        *[Proposed(key, number, plan) for plan in PLANS],
        *[Elapsed(key, number, step) for step in Step if rng.random() < 0.2],
        Worse(key, number),
    ]
    if incident.status is IncidentStatus.ACTED:
        lines += [Worse(key, number)] * 10
    if rng.random() < 0.04:
        return Recovered(key, number)
    return rng.choice(lines)


def operators_line(rng: Random, court: Court, incident: Incident) -> Operation:
    key, command = incident.key, court.command()
    version = incident.version - (rng.random() < 0.1)
    plan = rng.choice([p.plan for p in incident.attempt.proposals.values()] or list(PLANS))
    lines: list[Operation] = [
        Approved(command, key, version, plan_digest(plan), plan.not_after_ms),
        Approved(command, key, version, plan_digest(plan), plan.not_after_ms),
        Refused(command, key, version, plan_digest(plan)),
        Frozen(command),
        Thawed(command),
        Thawed(command),
        UndoRequested(command, key, version, plan_digest(plan)),
        TakenOver(command, key, version) if rng.random() < 0.1 else Thawed(command),
    ]
    return rng.choice(lines)


WEIGHTED = (*AGENTS * 4, OPERATOR, ACTUATOR, PROBE)


def play(seed: int, lines: int) -> Court:
    """A court after that many lines that fit, among them wrong and repeated ones."""
    rng = Random(seed)
    court = Court(MIXED, probe=rng.random() < 0.5)
    court.open()
    for _ in range(lines):
        author = rng.choice(WEIGHTED)
        court.say(author, plausible(rng, court, author))
    return court


plays = st.builds(play, st.integers(0, 1 << 32), st.integers(0, 200))


def test_plays_go_all_the_way() -> None:
    """Laws about certificates would say nothing of plays that never reach one."""
    told = Counter(
        happening.kind
        for seed in range(40)
        for happenings in replay(play(seed, 200))[1]
        for happening in happenings
    )

    ends = ("certificate", "acted on", "undoing", "closed", "handed over", "convicted", "attempt")
    assert all(told[end] > 0 for end in ends), told


def replay(court: Court) -> tuple[Council, list[list[Happening]]]:
    council = court.new_council()
    return council, [council.apply(*line) for line in court.log]


@LAW
@given(plays)
def test_same_log_gives_the_same_state(court: Court) -> None:
    council, _ = replay(court)

    assert council.digest() == court.council.digest()


@LAW
@given(plays)
def test_at_most_one_certificate_an_attempt_and_only_with_its_votes(court: Court) -> None:
    council, happenings = replay(court)

    for incident in council.incidents.values():
        complete = [
            happening
            for told in happenings
            for happening in told
            if happening.kind == "certificate" and happening.incident == incident.key
        ]
        certified = [attempt for attempt in incident.attempts if attempt.certificate]
        assert len(complete) == len(certified)
        for attempt in certified:
            certificate = attempt.certificate
            assert certificate is not None
            assert objection_to(certificate, court.genesis, VERIFIER) == ""
            assert attempt.chosen is not None
            accepts = attempt.proposals[attempt.chosen].count(Verdict.ACCEPT)
            assert accepts >= (4 if certificate.plan.risk == "high" else 3)
            approval = attempt.proposals[attempt.chosen].approval
            assert certificate.plan.risk != "medium" or approval is not None


@LAW
@given(plays)
def test_same_action_on_the_same_run_is_certified_no_more_often_than_policy_allows(
    court: Court,
) -> None:
    for incident in court.council.incidents.values():
        certified = [
            action_digest(action)
            for attempt in incident.attempts
            if attempt.certificate is not None
            for action in attempt.certificate.plan.actions
        ]
        assert all(certified.count(digest) <= MIXED.limits.repeats for digest in certified)
        assert len(incident.attempts) <= MIXED.limits.attempts


@LAW
@given(plays)
def test_one_change_at_a_time(court: Court) -> None:
    council = court.new_council()
    under_way = {IncidentStatus.CERTIFIED, IncidentStatus.UNDOING}
    for line in court.log:
        for happening in council.apply(*line):
            if happening.kind != "certificate":
                continue
            incident = council.incidents[happening.incident or CHECKOUT]
            earlier = incident.attempts[:-1]
            assert all(
                attempt.certificate is not incident.attempt.certificate for attempt in earlier
            )
        for incident in council.open_incidents:
            # Only the newest attempt can be under way; whatever came before is over.
            if incident.status in under_way:
                assert incident.attempt.certificate is not None
            assert incident.attempt.number >= len(incident.attempts) - 1


@LAW
@given(st.data())
def test_liar_alone_gets_no_plan_certified(data: st.DataObject) -> None:
    """Whatever f agents say, a plan that no honest agent accepts is never certified."""
    court = Court(probe=False)
    court.open()
    liar, honest = COMMUNICATION, AGENTS[:4]
    court.elapse(Step.PROPOSE)
    evil = court.propose(restart(pid=666), liar)

    rng = Random(data.draw(st.integers(0, 1 << 32)))
    for _ in range(data.draw(st.integers(0, 60))):
        if rng.random() < 0.5:
            court.say(liar, plausible(rng, court, liar))
        elif court.status() is IncidentStatus.PROPOSED:
            agent = rng.choice(honest)
            court.say(agent, Assessed(CHECKOUT, evil.digest, Verdict.REJECT, 0))

    assert all(attempt.body is None for attempt in court.incident.attempts)


# --- hash seeds -----------------------------------------------------------------------------------

FOLD_IN_A_PROCESS = """
import sys
from pathlib import Path
from engine.codec import decode
from engine.vocabulary import Signed, Submission
from tests.court import Court
from tests.laws.test_council import MIXED
court = Court(MIXED, probe=True)
for number, line in enumerate(Path(sys.argv[1]).read_text().split(), 1):
    signed = bytes.fromhex(line)
    court.council.apply(number, decode(decode(signed, Signed).payload, Submission), signed)
print(court.council.digest().hex())
"""


def test_digest_is_the_same_under_every_hash_seed(tmp_path: Path) -> None:
    court = Court(MIXED, probe=True)
    court.run_to_acted(restart())
    court.worsen()
    court.elapse(Step.PROPOSE, *AGENTS)
    for agent, plan in zip(AGENTS, (*PLANS[1:], restart(pid=7), restart(pid=8)), strict=True):
        digest = court.propose(plan, agent).digest
        court.assess(agent, proposal=digest)
    court.recover(*AGENTS[:2])
    court.probe_says(green=True, held_ms=1)
    log = tmp_path / "log"
    log.write_text("\n".join(signed.hex() for _, _, signed in court.log))

    digests = {
        subprocess.run(
            [sys.executable, "-c", FOLD_IN_A_PROCESS, str(log)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }

    assert digests == {court.council.digest().hex()}
