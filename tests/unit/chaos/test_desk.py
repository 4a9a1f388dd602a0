"""The engine's drills: what is offered, what is refused, and that a drill ends with its engine."""

from pathlib import Path

from chaos.desk import Drills
from engine.paths import RunPaths
from engine.stream.drilling import DrillOrder
from engine.stream.drilling import Drills as Port
from engine.vocabulary import AuthorId, Digest
from tests.fleet.shop import MANIFEST


def run_at(folder: Path, *, drillable: bool = True) -> RunPaths:
    """The files of a run that was prepared and never started."""
    paths = RunPaths(folder).make()
    words = MANIFEST.read_text()
    paths.manifest.write_text(words if drillable else words.replace("drillable = true", ""))
    paths.chaos_token.write_text("token\n")
    return paths


def order(experiment: str, seed: int = 1) -> DrillOrder:
    return DrillOrder(Digest(b"c" * 32), AuthorId("anna"), 1, experiment, seed, 2)


async def test_only_a_fleet_that_says_so_may_be_drilled(tmp_path: Path) -> None:
    drills: Port = Drills(run_at(tmp_path / "a", drillable=False))
    assert drills.row.offers == ()
    assert "drillable" in await drills.order(order("quiet"))

    allowed = Drills(run_at(tmp_path / "b"))
    assert any(offer.startswith("kill-payments ") for offer in allowed.row.offers)
    assert "no experiment 'nonsense'" in await allowed.order(order("nonsense"))
    assert "seed" in await allowed.order(order("quiet", -1))
    assert not allowed.row.running
    await allowed.close()


async def test_one_drill_at_a_time_and_none_outlives_its_engine(tmp_path: Path) -> None:
    drills = Drills(run_at(tmp_path))
    assert await drills.order(order("kill-payments")) == ""

    during = drills.row
    assert during.running
    assert "payments" not in during.text
    assert await drills.order(order("quiet")) == "a drill runs already"
    # There is no fleet to become green: it would wait for a minute.
    await drills.close()

    after = drills.row
    assert not after.running
    assert after.last == "kill-payments: stopped before its end; the fault is out"
