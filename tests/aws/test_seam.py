"""Where ministack lets us in is where we think it is, and what we add knows every type that we use."""

import json
from pathlib import Path

import pytest

from infra.localaws.provisioners import HANDLERS

pytestmark = pytest.mark.timeout(300)


def test_the_private_parts_that_we_name_exist() -> None:
    from ministack import app
    from ministack.services import ecs
    from ministack.services.cloudformation import provisioners

    assert {"create", "delete"} <= set(provisioners._RESOURCE_HANDLERS["AWS::SQS::Queue"])
    assert callable(ecs._docker_binds_from_taskdef)
    assert callable(app.SERVICE_HANDLERS["ssm"])


def test_ministack_does_not_know_by_itself_what_we_add() -> None:
    from ministack.services.cloudformation import provisioners

    assert not set(HANDLERS) & set(provisioners._RESOURCE_HANDLERS)


def test_every_type_of_local_is_known_to_the_emulator(local_assembly: Path) -> None:
    from ministack.services.cloudformation import provisioners

    used = {
        resource["Type"]
        for path in local_assembly.glob("*.template.json")
        for resource in json.loads(path.read_bytes())["Resources"].values()
    }

    assert used <= set(HANDLERS) | set(provisioners._RESOURCE_HANDLERS)
    assert len(used) > 30
