"""Whom a drill kills, and when it takes them for back."""

from msgspec.structs import replace

from chaos.harm import KILL_PRIMARY, KILL_SHARE, is_back, victims_of
from engine.stream.state import AgentRow, Health

AGENTS = [f"agent-{place}" for place in range(15)]
WELL = AgentRow("agent-3", "detection", Health.OK, False, 4, 7, "idle", "", 2, 0.0)


def test_the_primary_is_among_the_dead_and_the_others_are_drawn_by_the_seed() -> None:
    assert victims_of(KILL_PRIMARY, AGENTS[:5], "agent-3", 1) == ("agent-3",)

    drawn = {victims_of(KILL_SHARE, AGENTS, "agent-3", seed) for seed in range(20)}

    assert len(drawn) > 10
    assert all(len(set(it)) == 4 and it[0] == "agent-3" for it in drawn)


def test_whoever_is_well_as_a_new_process_in_the_view_of_the_others_is_back() -> None:
    assert is_back(WELL, restarts=1, view=4)
    assert is_back(WELL, restarts=1, view=3)
    assert not is_back(WELL, restarts=2, view=4)
    assert not is_back(WELL, restarts=1, view=5)
    assert not is_back(replace(WELL, health=Health.UNKNOWN), restarts=1, view=4)
