"""Environments are checked when they are made, and whose they are stands in a file."""

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import Malformed
from infra.environments import (
    ACCOUNTS_FILE,
    NAMES,
    Approval,
    Environment,
    Owner,
    Removal,
    Sizes,
    environment,
    read_owners,
)
from tests.aws.conftest import OWNERS


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_can_be_made(name: str) -> None:
    place = environment(name, OWNERS)

    assert place.name == name
    assert place.emulated == (name == "local")
    assert len(place.placement.zone_of) == place.agents


def test_prod_is_guarded(prod: Environment) -> None:
    assert prod.approval is Approval.TYPED_NAME
    assert prod.protected
    assert prod.removal is Removal.RETAIN
    assert prod.clean_tree_only
    assert prod.placement.survives_zone_loss


def test_staging_is_as_large_as_prod() -> None:
    staging, prod = environment("staging", OWNERS), environment("prod", OWNERS)

    assert (staging.agents, staging.zone_letters, staging.sizes) == (
        prod.agents,
        prod.zone_letters,
        prod.sizes,
    )


def test_an_environment_cannot_be_changed(local: Environment) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        local.name = "prod"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "Prod!"}, "small letters"),
        ({"owner": Owner()}, "no account"),
        ({"owner": Owner(account="123456789012")}, "only the emulator's"),
        ({"owner": Owner(account="111122223333", region="Mars")}, "a region such as"),
        ({"bake_s": -1}, "cannot bake"),
        ({"budget_usd_per_month": 0}, "at least one dollar"),
        ({"removal": Removal.DESTROY}, "cannot be destroyed"),
        ({"approval": Approval.NONE}, "without approval"),
        ({"zone_letters": "abc"}, "without the fullest zone"),
        ({"zone_letters": ""}, "name each zone once"),
    ],
)
def test_contradictions_are_refused(
    prod: Environment, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(prod, **changes)  # type: ignore[arg-type]


def test_a_task_that_fargate_does_not_offer_is_refused(prod: Environment) -> None:
    with pytest.raises(ValueError, match="no task of 256 CPU and 4096 MiB"):
        dataclasses.replace(prod.sizes, agent_cpu=256, agent_memory_mib=4096)


def test_what_we_ship_belongs_to_nobody() -> None:
    assert {owner.account for owner in read_owners(ACCOUNTS_FILE).values()} == {""}
    with pytest.raises(Malformed, match=r"accounts.toml: \[prod\] account: whose is it"):
        environment("prod")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Malformed, match="there are local, dev, staging, prod"):
        environment("production")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[prod]\naccount = '12'", r"\[prod\] account: '12' is not twelve digits"),
        ("[prod]\nregion = 'Mars'", r"\[prod\] region: 'Mars' is not a region"),
        ("[prod]\nrepository = 'x'", r"\[prod\] repository: 'x' is not owner/name"),
        ("[prod]\nalarm_address = 'x'", r"\[prod\] alarm_address: 'x' is not an e-mail"),
        ("[prod]\nnumber = ''", "number"),
        ("[local]\naccount = '111122223333'", r"\[local\]: no account belongs"),
        ("[prod", "accounts"),
        ("prod = 5", "accounts"),
    ],
)
def test_a_wrong_file_gets_one_clear_error(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(text)

    with pytest.raises(Malformed, match=complaint) as caught:
        read_owners(path)

    assert str(path) in str(caught.value)


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="put it back"):
        read_owners(tmp_path / "accounts.toml")


@given(content=st.binary(max_size=200))
def test_any_bytes_are_owners_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("owners") / "accounts.toml"
    path.write_bytes(content)
    names: set[str] = set()
    with contextlib.suppress(Malformed):
        names = set(read_owners(path))

    assert names <= set(NAMES) - {"local"}


def test_sizes_are_values() -> None:
    assert Sizes(512, 1024, 256, 512, 1, 1, 7) == Sizes(512, 1024, 256, 512, 1, 1, 7)
