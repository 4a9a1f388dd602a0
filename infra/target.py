"""Where the tools that are about to run would go, and whether that is where they may.

Three things decide where a call ends: the credentials' account, the region and the endpoint. All are
taken from the very clients that will be used, not from what somebody believes is configured: a tool
that overlooked an endpoint variable once deployed its tests into a real account.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from infra.environments import Environment

if TYPE_CHECKING:
    import boto3

__all__ = [
    "AwsClient",
    "Target",
    "WrongTarget",
    "banner",
    "check_account",
    "check_addresses",
    "confirm_target",
]

AwsClient: TypeAlias = Any
"""A client of a service: boto3 makes its methods at run time, from data."""

ASKED_SERVICES = ("cloudformation", "s3", "sts", "dynamodb", "iam", "ecs", "ssm")
"""The services whose endpoints are looked at: a single one can be sent elsewhere by a variable."""


class WrongTarget(Exception):
    """The tools would go somewhere else than the environment lies."""


@dataclass(frozen=True)
class Target:
    """Where calls end."""

    account: str
    region: str
    endpoints: Mapping[str, str]
    """The address of each service that was looked at."""


def check_addresses(environment: Environment, region: str, endpoints: Mapping[str, str]) -> None:
    """Refuse a region or an endpoint that is not the environment's; asks nobody anything.

    Raises:
        WrongTarget: one of them is another; names it, and the remedy.
    """
    if region != environment.region:
        raise WrongTarget(
            f"{environment.name} lies in {environment.region}, the session is in "
            f"{region or 'no region'}: set AWS_REGION={environment.region}"
        )
    for service, endpoint in endpoints.items():
        if environment.emulated and not is_loopback(endpoint):
            raise WrongTarget(
                f"{environment.name} lives on loopback, but {service} would go to {endpoint}: "
                "start it with main.py deploy apply local, which sets its own addresses"
            )
        if not environment.emulated and not is_amazon(endpoint):
            raise WrongTarget(
                f"{environment.name} lies in the cloud, but {service} would go to {endpoint}: "
                "unset AWS_ENDPOINT_URL and endpoint_url of the profile"
            )


def check_account(environment: Environment, account: str) -> None:
    """Refuse credentials of another account.

    Raises:
        WrongTarget: the account is another; names both.
    """
    if account != environment.account:
        raise WrongTarget(
            f"{environment.name} is account {environment.account}, the credentials belong to "
            f"{account}: choose others (AWS_PROFILE)"
        )


def is_loopback(endpoint: str) -> bool:
    """Whether an address can only be this machine; a name counts only if it is ``localhost``."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_amazon(endpoint: str) -> bool:
    """Whether an address is one of AWS's own, over TLS."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    return parts.scheme == "https" and host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def banner(environment: Environment) -> str:
    """One line that names the target wherever something is about to happen."""
    where = "emulator on loopback" if environment.emulated else "AWS"
    return f"{environment.name}: {where}, account {environment.account}, {environment.region}"


def confirm_target(environment: Environment, session: "boto3.Session") -> Target:
    """Where the clients of ``session`` go, once it is certain that this is the environment.

    STS is asked whose the credentials are only after region and endpoints were found to be right.

    Raises:
        WrongTarget: they would go somewhere else.
        botocore.exceptions.BotoCoreError: there are no credentials, or STS cannot be reached.
        botocore.exceptions.ClientError: STS refuses them.
    """
    region = str(session.region_name or "")
    if not region:
        check_addresses(environment, region, {})
    endpoints = {name: str(session.client(name).meta.endpoint_url) for name in ASKED_SERVICES}
    check_addresses(environment, region, endpoints)
    account = str(session.client("sts").get_caller_identity()["Account"])
    check_account(environment, account)
    return Target(account, region, endpoints)
