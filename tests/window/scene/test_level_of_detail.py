"""What is folded together or left out is counted: the numbers on screen add up to what there is."""

import numpy as np
import pytest
from msgspec.structs import replace

from controlroom.window.scene.buffers import Lines, Points
from controlroom.window.scene.eye import overview
from controlroom.window.scene.fleet import MAX_LINKS, MAX_SERVICES, ground
from controlroom.window.scene.messages import Messages
from controlroom.window.scene.model import Scene
from controlroom.window.scene.traffic import beads, beads_of
from engine.stream.state import AgentRow, Health, LinkRow
from tests import story
from tests.window.rounds import Writer

EYE = overview(1280, 720)
MANY = [f"detection-{number}" for number in range(60)]


def test_messages_on_screen_stand_for_every_record_under_way() -> None:
    writer = Writer()
    writer.round(20.0, 1, MANY[0], agents=MANY)
    scene = Scene()
    agents = {
        name: AgentRow(name, "detection", Health.OK, name == MANY[0], 0, 1, "idle", "", 0, 0.0)
        for name in MANY
    }
    scene.show(19.0, replace(story.calm(), agents=agents))
    scene.hear(writer.records)
    whole = Messages({name: i for i, name in enumerate(MANY)}, range(len(MANY)))
    whole.take(writer.records)

    most = 0
    for step in range(80):
        frame = scene.frame(20.0 + step / 20, None, EYE)
        together = frame.folded.get("messages drawn together", 0)
        assert len(frame.messages.number) + together == frame.messages.records.sum()
        most = max(most, together)

    assert most > 1_000
    assert scene.messages.rows.records.sum() == len(writer.records)
    # Every pair of agents is a role of its own there: nothing can be folded beyond that.
    assert whole.rows.records.sum() == len(writer.records)


def test_services_and_calls_beyond_the_room_are_counted() -> None:
    services = [f"service-{number}" for number in range(MAX_SERVICES + 9)]
    calls = [(a, b) for a in services[:16] for b in services[16:32]]

    plan = ground(services, calls, Lines.POINTS)

    assert len(plan.names) + plan.folded_services == len(services)
    assert len(plan.links) + plan.folded_links == len(calls)
    assert len(plan.links) == MAX_LINKS


def test_beads_that_are_drawn_and_beads_that_are_not_are_all_the_traffic_asks_for() -> None:
    names = [f"service-{number}" for number in range(32)]
    calls = [(a, b) for a in names[:10] for b in names[10:26]]
    plan = ground(names, calls, Lines.POINTS)
    rows = {f"{a}>{b}": LinkRow(a, b, 900.0, 0.0, 4.0) for a, b in plan.links}

    found = beads(plan, rows, np.ones(len(plan.links)))

    assert found.left > 0
    assert len(found.which) + found.left == len(plan.links) * beads_of(900.0)


@pytest.mark.parametrize("wanted", [3, 40])
def test_a_buffer_that_is_full_counts_what_it_drops(wanted: int) -> None:
    points = Points(16)
    points.begin()
    points.put(np.zeros((wanted, 3)), np.zeros((wanted, 4), np.uint8), 1.0)

    assert points.count + points.dropped == wanted
