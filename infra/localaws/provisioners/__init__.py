"""CloudFormation resource types that ministack has an API for, and CloudFormation does not know."""

from infra.localaws.provisioners import apis, identity
from infra.localaws.seam import register

__all__ = ["HANDLERS", "install"]

HANDLERS = {**apis.HANDLERS, **identity.HANDLERS}
"""How each of our types is created, changed and deleted."""


def install() -> None:
    """Teach CloudFormation all of them."""
    for kind, handler in HANDLERS.items():
        register(kind, handler)
