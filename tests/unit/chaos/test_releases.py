"""What releases do to requests: one of each service fails a third of them, the others none."""

import random

import pytest

from chaos.experiments import BAD_RELEASES
from chaos.fleet.releases import RELEASES, step_of

REQUESTS = 3_000
EVERY = [(service, release) for service, known in RELEASES.items() for release in known]


def failed_share(service: str, release: str) -> float:
    step = step_of(service, release)
    assert step is not None
    chance = random.Random(f"{service} {release}")
    failed = 0
    for _ in range(REQUESTS):
        try:
            step(f"{chance.getrandbits(64):016x}")
        except Exception:
            failed += 1
    return failed / REQUESTS


@pytest.mark.parametrize(("service", "release"), EVERY)
def test_a_release_fails_a_third_of_requests_or_none(service: str, release: str) -> None:
    bad = BAD_RELEASES[service] == release

    assert failed_share(service, release) == (pytest.approx(1 / 3, abs=0.04) if bad else 0)


def test_the_same_request_always_fares_the_same() -> None:
    step = step_of("payments", BAD_RELEASES["payments"])
    assert step is not None

    def fares(request_id: str) -> str:
        try:
            step(request_id)
        except KeyError as error:
            return str(error)
        return "well"

    ids = [f"request-{number}" for number in range(50)]
    assert [fares(name) for name in ids] == [fares(name) for name in ids]
    assert {fares(name) for name in ids} == {"well", "'currency'"}


def test_every_service_has_a_harmless_release_beside_the_bad_one() -> None:
    for service, releases in RELEASES.items():
        assert len(set(releases) - {"1.0.0", BAD_RELEASES[service]}) >= 1


def test_version_numbers_do_not_tell_bad_from_harmless() -> None:
    harmless = {
        release
        for service, releases in RELEASES.items()
        for release in releases
        if release != BAD_RELEASES[service]
    }

    assert {"1.0.1", "1.1.0"} <= harmless & set(BAD_RELEASES.values())


def test_an_unknown_release_has_no_code() -> None:
    assert step_of("payments", "9.9.9") is None
    assert step_of("postgres", "18") is None
