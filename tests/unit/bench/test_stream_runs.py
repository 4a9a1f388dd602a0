"""What `bench stream` compares: every server delivers, and what is measured is there."""

from contextlib import ExitStack

import pytest

from engine.bench.stream_load import Load
from engine.bench.stream_run import attacked, loading, measured, run, serving, standing


@pytest.mark.parametrize("kind", ["write", "broadcast", "aiohttp"])
def test_every_server_delivers_to_every_client(kind: str) -> None:
    row = run(kind, 10, 20, warm_s=0.1, measure_s=0.5)

    assert row.lost == 0
    assert row.messages >= 10
    assert 0 < row.cpu_us < 100_000
    assert row.p50_ms <= row.p99_ms


def test_servers_that_stand_ready_are_measured_in_turn() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(standing(kind, 10, 20)) for kind in ("ours", "write")]
        rows = [server.measured() for server in servers]

    for row in rows:
        assert row.lost == 0
        assert row.messages >= 10
        assert 0 < row.cpu_us < 100_000


def test_it_is_known_how_long_the_engine_waits_while_it_is_attacked() -> None:
    with serving("beside", 5, 20) as server:
        load = Load(server.port, server.pid, 5, 20, 0.1, 1.0, acks=True, signals=True)
        with loading(load) as process:
            server.reads()
            with attacked(server.port, 1):
                late_ms = float(server.reads())
            row = measured(process)

    assert 0 < late_ms < 1000
    assert row.lost == 0


def test_a_server_that_does_not_start_is_an_error() -> None:
    with pytest.raises(ValueError, match="/bin/false did not start"):
        run("/bin/false", 1, 1)
