"""SSM documents: what the actuator may have an instance do, and the only words it may put into it.

A value reaches a shell, so each parameter has a pattern that leaves nothing to quote. The role of the
actuator may send these documents, to instances that their owner tagged as managed, and no other.
"""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ssm as ssm

from infra.stacks.monitoring import Monitoring
from infra.stacks.part import Part

__all__ = ["DOCUMENTS", "Document", "build_documents"]

UNIT = "[a-zA-Z0-9][a-zA-Z0-9_.@-]{0,63}"
"""The name of a systemd unit: it cannot begin like an option."""


@dataclass(frozen=True)
class Document:
    """One command document."""

    name: str
    what: str
    parameters: tuple[tuple[str, str, str], ...]
    """Name, meaning, pattern."""
    lines: tuple[str, ...]


DOCUMENTS = (
    Document(
        "restart-unit",
        "Restart one systemd unit, and fail unless it is active afterwards",
        (("unit", "The unit's name", UNIT),),
        (
            "set -eu",
            "systemctl restart -- '{{ unit }}'",
            "systemctl is-active -- '{{ unit }}'",
        ),
    ),
    Document(
        "observe-unit",
        "Say what a unit's process is, so that an action can name the generation it acts on",
        (("unit", "The unit's name", UNIT),),
        (
            "set -eu",
            "systemctl show --property=MainPID,ExecMainStartTimestampMonotonic -- '{{ unit }}'",
        ),
    ),
)


def build_documents(part: Part, monitoring: Monitoring) -> cdk.Stack:
    """All documents, under names that begin as everything of the environment does."""
    stack = part.stack("Documents", "what an instance may be told to do", monitoring.stack)
    for document in DOCUMENTS:
        ssm.CfnDocument(
            stack,
            document.name,
            name=part.names.of(document.name),
            document_type="Command",
            document_format="JSON",
            # A document that is used can be changed in place: a new version becomes the default.
            update_method="NewVersion",
            content={
                "schemaVersion": "2.2",
                "description": document.what,
                "parameters": {
                    name: {
                        "type": "String",
                        "description": meaning,
                        "allowedPattern": f"^{pattern}$",
                    }
                    for name, meaning, pattern in document.parameters
                },
                "mainSteps": [
                    {
                        "name": "run",
                        "action": "aws:runShellScript",
                        "inputs": {"runCommand": list(document.lines), "timeoutSeconds": "60"},
                    }
                ],
            },
        )
    return stack
