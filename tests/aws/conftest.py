"""One synthesis for all tests of a worker: it takes seconds, and nobody changes what it made."""

from pathlib import Path

import pytest

from infra.app import synthesise
from infra.environments import Environment, Owner, environment

OWNERS = {
    name: Owner(
        account="111122223333",
        region="us-west-2",
        repository="example/incident-commander",
        alarm_address="on-call@example.com",
    )
    for name in ("dev", "staging", "prod")
}
BUILD = "0123abcd"


@pytest.fixture(scope="session")
def local() -> Environment:
    return environment("local")


@pytest.fixture(scope="session")
def prod() -> Environment:
    return environment("prod", OWNERS)


@pytest.fixture(scope="session")
def local_assembly(local: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(local, BUILD, tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="session")
def prod_assembly(prod: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(prod, BUILD, tmp_path_factory.mktemp("prod"))
