"""Who asks in the middle of a repair learns what came of it, not that nobody knows."""

import asyncio
import secrets

import pytest

from engine.ports import ActionKey
from engine.vocabulary import OutcomeKind, RestartService, ServiceName
from tests.fleet.shop import RunningShop, alive
from tests.until import until

pytestmark = pytest.mark.fleet

CART = ServiceName("cart")


async def test_a_repair_whose_actuator_was_killed_is_observed_to_its_end(shop: RunningShop) -> None:
    before = shop.generation("cart")
    repair, key = RestartService(CART, before), ActionKey(secrets.token_bytes(32), 0)
    killed = asyncio.create_task(shop.executor.perform(key, repair))
    await until(lambda: not alive(before.pid))
    killed.cancel()

    report = await shop.executor.observe(key, repair)

    assert killed.cancelling()
    assert report.outcome is OutcomeKind.DONE
    assert report.generation == shop.generation("cart")
    assert report.generation != before
