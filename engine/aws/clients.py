"""The one place where clients of AWS are made.

Credentials come through the default chain only (environment, profile, container and instance
roles); what region and endpoint, the standard variables say. Nothing is retried for long in here:
whoever asks has a ``Circuit`` and knows what must not be lost.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10
"""Longer than any call of ours takes, a long poll of a queue (5 s) included."""
AWS_ERRORS = (BotoCoreError, ClientError)
"""What a call raises when the service said no, or nothing."""

Client = Any
"""boto3 makes its classes at run time: there is no type to name."""


def client(service: str) -> Client:
    """A client of ``service`` for the account and region that the environment names.

    Raises:
        BotoCoreError: there is no region or no credential.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 2},
        user_agent_extra="incident-commander",
    )
    return boto3.Session().client(service, config=config)


def code_of(error: Exception) -> str:
    """What AWS calls the failure, for instance ``ThrottlingException``; else the type's name."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
