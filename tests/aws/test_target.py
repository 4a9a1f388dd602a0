"""A wrong account, region or endpoint is refused before anything runs."""

import boto3
import pytest

from infra.environments import Environment
from infra.target import WrongTarget, banner, check_account, check_addresses, confirm_target

AMAZON = {"s3": "https://s3.us-west-2.amazonaws.com", "sts": "https://sts.us-west-2.amazonaws.com"}
LOOPBACK = {"s3": "http://127.0.0.1:4566", "sts": "http://localhost:4566"}


def test_the_right_target_passes(prod: Environment, local: Environment) -> None:
    check_addresses(prod, "us-west-2", AMAZON)
    check_account(prod, "111122223333")
    check_addresses(local, "us-east-1", LOOPBACK)
    check_account(local, "123456789012")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:4566",
        "https://localhost",
        "https://s3.amazonaws.com.evil.example",
        "http://s3.amazonaws.com",
        "https://evil.example/?.amazonaws.com",
    ],
)
def test_the_cloud_is_not_reached_through_another_address(prod: Environment, endpoint: str) -> None:
    with pytest.raises(WrongTarget, match="unset AWS_ENDPOINT_URL"):
        check_addresses(prod, "us-west-2", AMAZON | {"s3": endpoint})


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.us-east-1.amazonaws.com",
        "http://127.0.0.1.example.com:4566",
        "http://10.0.0.1:4566",
        "http://localhost.example.com",
        "",
    ],
)
def test_local_never_leaves_the_machine(local: Environment, endpoint: str) -> None:
    with pytest.raises(WrongTarget, match="lives on loopback"):
        check_addresses(local, "us-east-1", LOOPBACK | {"s3": endpoint})


@pytest.mark.parametrize("region", ["", "us-east-1", "eu-west-2"])
def test_another_region_is_refused(prod: Environment, region: str) -> None:
    with pytest.raises(WrongTarget, match="AWS_REGION=us-west-2"):
        check_addresses(prod, region, AMAZON)


def test_another_account_is_refused(prod: Environment) -> None:
    with pytest.raises(WrongTarget, match="belong to 999999999999"):
        check_account(prod, "999999999999")


def test_a_forgotten_variable_is_seen_before_anybody_is_asked(
    prod: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens there: a question to STS would fail in another way.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    session = boto3.Session(
        aws_access_key_id="x", aws_secret_access_key="x", region_name="us-west-2"
    )

    with pytest.raises(WrongTarget, match=r"s3 would go to http://127\.0\.0\.1:1"):
        confirm_target(prod, session)


def test_a_session_without_a_region_is_refused(
    prod: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(WrongTarget, match="in no region"):
        confirm_target(prod, boto3.Session())


def test_the_banner_names_the_target(prod: Environment, local: Environment) -> None:
    assert banner(prod) == "prod: AWS, account 111122223333, us-west-2"
    assert banner(local) == "local: emulator on loopback, account 123456789012, us-east-1"
