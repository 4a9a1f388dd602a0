"""What releases do to requests: one of each service fails a third of them, the others none."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from chaos.experiments import BAD_RELEASES, LEAKING_RELEASES
from chaos.fleet.releases import RELEASES, step_of

REQUESTS = 3_000
FEW_REQUESTS = 300
"""Of a release that leaks: a process may have a thousand files open on many a machine."""
EVERY = [
    (service, release)
    for service, known in RELEASES.items()
    for release in known
    if LEAKING_RELEASES.get(service) != release
]


@pytest.fixture
def leaked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a release leaks in a test is given back after it."""
    trails: list[IO[bytes]] = []
    monkeypatch.setattr("chaos.fleet.releases._TRAILS", trails)
    yield
    for trail in trails:
        trail.close()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def failed_share(service: str, release: str, requests: int = REQUESTS) -> float:
    step = step_of(service, release)
    assert step is not None
    chance = random.Random(f"{service} {release}")
    failed = 0
    for _ in range(requests):
        try:
            step(f"{chance.getrandbits(64):016x}")
        except Exception:
            failed += 1
    return failed / requests


@pytest.mark.parametrize(("service", "release"), EVERY)
def test_a_release_fails_a_third_of_requests_or_none(service: str, release: str) -> None:
    bad = BAD_RELEASES[service] == release

    assert failed_share(service, release) == (pytest.approx(1 / 3, abs=0.04) if bad else 0)


@pytest.mark.usefixtures("leaked")
@pytest.mark.parametrize(("service", "release"), LEAKING_RELEASES.items())
def test_a_release_that_leaks_fails_nothing_and_gives_no_file_back(
    service: str, release: str
) -> None:
    before = open_files()

    assert failed_share(service, release, FEW_REQUESTS) == 0
    assert FEW_REQUESTS / 10 < open_files() - before < FEW_REQUESTS


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
