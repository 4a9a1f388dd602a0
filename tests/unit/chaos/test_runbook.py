"""The scripted runbook: what it does when it is paged, in which order, and when it keeps still."""

from pathlib import Path

from chaos.fleet.judge import SECOND_NS, Second
from chaos.fleet.runbook import LOOKED_AT, PAGED_BY, RECENT_MS, Runbook, deepest_first
from engine.topology import FleetStatus, ReleaseChange, ServiceStatus, read_manifest
from engine.vocabulary import Generation, RestartService, RollBack, ServiceName

SHOP = Path(__file__).parents[3] / "assets" / "fleets" / "shop.toml"
NOW_MS = 10 * RECENT_MS
SERVICES = [ServiceName(name) for name in ("inventory", "orders", "gateway")]


def seconds(colours: str, first: int = 0) -> list[Second]:
    """One second a letter: ``r`` red, ``g`` green."""
    return [
        Second((first + i + 1) * SECOND_NS, 0, 0, 0, colour == "g", None)
        for i, colour in enumerate(colours)
    ]


def status(*deployed: tuple[str, int]) -> FleetStatus:
    """All services on 1.0.0, and those ``deployed`` on 1.1.0 since so many milliseconds."""
    live = dict(deployed)
    return FleetStatus(
        tuple(
            ServiceStatus(
                name,
                alive=True,
                generation=Generation(number, 0, "1.0.0"),
                changes=(
                    ReleaseChange("1.0.0", 0),
                    *([ReleaseChange("1.1.0", NOW_MS - live[name])] if name in live else []),
                ),
            )
            for number, name in enumerate(SERVICES)
        )
    )


def test_a_blip_pages_nobody() -> None:
    runbook = Runbook(SERVICES)
    blip = "r" * (PAGED_BY - 1)

    assert runbook.step(seconds("g" * LOOKED_AT + blip), status(("orders", 1)), NOW_MS) is None


def test_the_newest_of_the_recent_releases_is_rolled_back_first() -> None:
    runbook = Runbook(SERVICES)
    recent = status(("orders", 1_000), ("gateway", 60_000))

    step = runbook.step(seconds("g" * LOOKED_AT + "r" * PAGED_BY), recent, NOW_MS)

    assert step == RollBack(ServiceName("orders"), Generation(1, 0, "1.0.0"), "1.0.0")


def test_a_step_is_given_time_before_the_next_one() -> None:
    runbook, recent = Runbook(SERVICES), status(("orders", 1_000), ("gateway", 60_000))
    red = "r" * LOOKED_AT
    runbook.step(seconds(red), recent, NOW_MS)

    assert runbook.step(seconds(red + "r" * (LOOKED_AT - 1)), recent, NOW_MS) is None
    later = runbook.step(seconds(red + red), recent, NOW_MS)
    assert isinstance(later, RollBack)
    assert later.service == "gateway"


def test_after_a_step_that_helped_nothing_more_is_done() -> None:
    runbook, recent = Runbook(SERVICES), status(("orders", 1_000))
    red = "r" * LOOKED_AT
    runbook.step(seconds(red), recent, NOW_MS)

    assert runbook.step(seconds(red + "g" * LOOKED_AT), recent, NOW_MS) is None


def test_an_old_release_is_left_alone_and_services_are_restarted_in_turn() -> None:
    runbook, old = Runbook(SERVICES), status(("orders", RECENT_MS + 1))
    red, steps = "", []
    for _ in range(4):
        red += "r" * LOOKED_AT
        step = runbook.step(seconds(red), old, NOW_MS)
        assert isinstance(step, RestartService)
        steps.append(step.service)

    assert steps == ["inventory", "orders", "gateway", "inventory"]


def test_the_shop_is_restarted_from_its_deepest_callee_up_and_its_stores_never() -> None:
    manifest = read_manifest(SHOP)
    order = deepest_first(manifest)

    assert order[-1] == "gateway"
    assert set(order) == {spec.name for spec in manifest.service if spec.kind == "http"}
    for above, below in ((call.caller, call.callee) for call in manifest.call):
        if above in order and below in order:
            assert order.index(ServiceName(below)) < order.index(ServiceName(above))
