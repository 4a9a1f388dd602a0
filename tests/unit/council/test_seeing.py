"""How an incident begins: a claim, f+1 witnesses, and limits that one liar cannot exhaust."""

import pytest

from engine.council import IncidentStatus
from engine.council.seeing import MAX_CLAIMS_PER_AGENT, MAX_OPEN_INCIDENTS
from engine.vocabulary import (
    MAX_ITEMS,
    MAX_TEXT,
    Corroborated,
    Elapsed,
    IncidentKey,
    Noted,
    Opened,
    Recovered,
    Step,
    Warned,
)
from tests.court import (
    AGENTS,
    ANOMALY,
    CHECKOUT,
    DETECTION,
    DIAGNOSIS,
    MANIFEST,
    OPERATOR,
    PREDICTION,
    Court,
)

SUBJECTS = ("checkout", *(service.name for service in MANIFEST.service))


def claim(court: Court, subject: str) -> Opened:
    return Opened(court.council.next_key(subject), (ANOMALY,))


def test_lone_claim_is_no_incident() -> None:
    court = Court()

    court.say(DETECTION, Opened(CHECKOUT, (ANOMALY,)))

    assert court.status() is IncidentStatus.CLAIMED


@pytest.mark.parametrize("kind", [Opened, Corroborated])
def test_second_witness_makes_a_claim_an_incident(kind: type[Opened | Corroborated]) -> None:
    court = Court()
    court.say(DETECTION, Opened(CHECKOUT, (ANOMALY,)))

    happenings = court.say(DIAGNOSIS, kind(CHECKOUT, (ANOMALY,)))

    assert [happening.kind for happening in happenings][1:] == ["open"]
    assert court.status() is IncidentStatus.OPEN
    assert court.attempt.number == 1


def test_one_agent_cannot_corroborate_itself() -> None:
    court = Court()
    court.say(DETECTION, Opened(CHECKOUT, (ANOMALY,)))

    court.ignored(DETECTION, Corroborated(CHECKOUT, (ANOMALY,)))

    assert court.status() is IncidentStatus.CLAIMED


def test_claim_that_nobody_shares_is_unfounded() -> None:
    court = Court()
    court.say(DETECTION, Opened(CHECKOUT, (ANOMALY,)))

    court.all_say((DIAGNOSIS, PREDICTION), elapsed_corroboration())

    assert court.status() is IncidentStatus.UNFOUNDED
    assert (court.council.opened, court.council.closed) == (1, 1)


def elapsed_corroboration() -> Elapsed:
    return Elapsed(CHECKOUT, 0, Step.CORROBORATE)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("shop/checkout#2", "not the next running number"),
        ("shop/checkout#01", "not the next running number"),
        ("mall/checkout#1", "not the next running number"),
        ("shop/#1", "its subject is neither the objective nor a service"),
        ("shop/nothing#1", "its subject is neither the objective nor a service"),
        ("", "not the next running number"),
    ],
)
def test_claim_needs_the_next_number_and_a_known_subject(key: str, reason: str) -> None:
    assert Court().ignored(DETECTION, Opened(IncidentKey(key), (ANOMALY,))) == reason


def test_claim_without_an_anomaly_is_ignored() -> None:
    assert Court().ignored(DETECTION, Opened(CHECKOUT, ())) == "names no anomaly"


def test_subject_has_one_open_incident() -> None:
    court = Court()
    court.open()

    reason = court.ignored(DIAGNOSIS, claim(court, "checkout"))

    assert reason == "an incident about this subject is open"


def test_number_is_not_given_twice() -> None:
    court = Court()
    court.open()
    court.all_say(AGENTS[:3], Recovered(CHECKOUT, 1))

    court.ignored(DETECTION, Opened(CHECKOUT, (ANOMALY,)))
    court.say(DETECTION, claim(court, "checkout"))

    assert list(court.council.incidents) == [CHECKOUT, "shop/checkout#2"]


def test_liar_cannot_use_up_all_places() -> None:
    court = Court()
    for subject in SUBJECTS[:MAX_CLAIMS_PER_AGENT]:
        court.say(DETECTION, claim(court, subject))

    reason = court.ignored(DETECTION, claim(court, SUBJECTS[MAX_CLAIMS_PER_AGENT]))

    assert reason == "this agent's earlier claims wait for a second witness"
    court.say(DIAGNOSIS, claim(court, SUBJECTS[MAX_CLAIMS_PER_AGENT]))
    assert len(court.council.open_incidents) == MAX_CLAIMS_PER_AGENT + 1


def test_open_incidents_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # A shop has fewer subjects than the limit, which is for fleets that are larger.
    monkeypatch.setattr("engine.council.seeing.MAX_OPEN_INCIDENTS", 3)
    court = Court()
    for subject in SUBJECTS[:3]:
        key = court.council.next_key(subject)
        court.all_say((DETECTION, PREDICTION), Opened(key, (ANOMALY,)))

    assert court.ignored(DETECTION, claim(court, SUBJECTS[3])) == "3 incidents are open"
    assert MAX_OPEN_INCIDENTS == 16


def test_closed_incidents_are_forgotten_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.council.closing.MAX_CLOSED_INCIDENTS", 2)
    court = Court()

    for number in range(1, 5):
        key = court.council.next_key("checkout")
        court.all_say((DETECTION, PREDICTION), Opened(key, (ANOMALY,)))
        court.all_say(AGENTS[:3], Recovered(key, 1))
        assert court.council.closed == number

    assert list(court.council.incidents) == ["shop/checkout#3", "shop/checkout#4"]


def test_operation_larger_than_the_words_allow_is_ignored() -> None:
    court = Court()
    court.open()
    long = Noted(court.command(), CHECKOUT, "x" * (MAX_TEXT + 1))
    wide = Opened(court.council.next_key("redis"), (ANOMALY,) * (MAX_ITEMS + 1))

    assert court.ignored(OPERATOR, long) == "a text has 241 characters; 240 are allowed"
    assert court.ignored(DETECTION, wide) == "a list has 33 elements; 32 are allowed"


def test_warning_is_kept_until_its_number_is_given_to_another() -> None:
    court = Court()
    key = court.council.next_key("payments")
    court.say(PREDICTION, Warned(key, ANOMALY.signal, 3, 2, 4))
    assert court.council.warnings.keys() == {key}

    court.open()

    assert not court.council.warnings
    court.say(PREDICTION, Warned(CHECKOUT, ANOMALY.signal, 3, 2, 4))
    assert court.council.warnings.keys() == {CHECKOUT}
