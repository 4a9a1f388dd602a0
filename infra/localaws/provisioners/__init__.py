"""CloudFormation resource types that ministack has an API for, and CloudFormation does not know."""

from infra.localaws.provisioners import (
    apis,
    bedrock,
    documents,
    identity,
    network,
    search,
    watching,
)
from infra.localaws.seam import register

__all__ = ["HANDLERS", "install"]

HANDLERS = {
    **apis.HANDLERS,
    **bedrock.HANDLERS,
    **documents.HANDLERS,
    **identity.HANDLERS,
    **network.HANDLERS,
    **search.HANDLERS,
    **watching.HANDLERS,
}
"""How each of our types is created, changed and deleted."""


def install() -> None:
    """Teach CloudFormation all of them."""
    for kind, handler in HANDLERS.items():
        register(kind, handler)
