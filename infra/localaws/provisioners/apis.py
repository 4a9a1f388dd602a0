"""API Gateway: what the emulator does without being told."""

import uuid

from infra.localaws.seam import Created, Handler, Properties

__all__ = ["HANDLERS"]


def _create_response(_logical_id: str, _properties: Properties) -> Created:
    """The emulator answers over the socket anyway; the resource only has to exist."""
    return uuid.uuid4().hex[:8], {}


def _nothing_to_delete(_physical_id: str, _properties: Properties) -> None:
    """It exists in the stack alone."""


HANDLERS = {"AWS::ApiGatewayV2::RouteResponse": Handler(_create_response, _nothing_to_delete)}
