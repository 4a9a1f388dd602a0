"""The settings file: what it may say, and one clear error for everything else."""

from pathlib import Path

import pytest

from engine.aws.bindings import EcsService
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.settings import prepare, read_settings, settings_of

FLEET = """
name = "tiny"
[objective]
subject = "orders"
availability_permille = 990
latency_ms = 1000
hold_ms = 5000
[[service]]
name = "orders"
kind = "http"
release = "1"
"""
GOOD = """
fleet = "fleet.toml"
[doors]
port = 4318
[[prometheus]]
url = "http://127.0.0.1:9090"
query = [{ metric = "queue", promql = "queue_length" }]
[[log]]
service = "orders"
path = "/var/log/orders.log"
format = "plain"
[[limit]]
service = "orders"
metric = "queue"
kind = "queue"
limit = 10000
[resources.orders]
type = "ecs"
cluster = "shop"
service = "orders"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet.toml").write_text(FLEET)
    return tmp_path


def _write(folder: Path, text: str) -> Path:
    path = folder / "prod.toml"
    path.write_text(text)
    return path


def test_a_whole_file_is_read_as_it_stands(folder: Path) -> None:
    settings, manifest, _ = read_settings(_write(folder, GOOD))
    assert settings.resources == {"orders": EcsService("shop", "orders")}
    assert (manifest.name, settings.agents) == ("tiny", 5)


def test_a_run_keeps_its_settings_and_what_its_genesis_pins(folder: Path) -> None:
    path, paths = _write(folder, GOOD), RunPaths(folder / "run").make()
    assert settings_of(paths) is None
    assert prepare(path, paths) == settings_of(paths)
    assert paths.manifest.read_text() == FLEET
    paths.genesis.write_text("founded")
    (folder / "fleet.toml").write_text(FLEET.replace("tiny", "other"))
    prepare(path, paths)
    assert paths.manifest.read_text() == FLEET


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fleet = [", "no TOML"),
        ("fleet = 3", r"Expected `str`, got `int` - at `\$.fleet`"),
        ("unknown = 1\nfleet = 'fleet.toml'", "unknown field"),
        (GOOD.replace("orders]", "payments]"), "'payments' is not in fleet.toml"),
        (GOOD.replace('service = "orders"\npath', 'service = "cart"\npath'), "'cart' is not in"),
        (
            GOOD.replace('service = "orders"\nmetric', 'service = "cart"\nmetric'),
            "'cart' is not in",
        ),
        (GOOD.replace('kind = "queue"', 'kind = "errors"'), "kind is memory, disk"),
        (GOOD.replace("limit = 10000", "limit = 0"), "> 0"),
        ("fleet = 'nowhere.toml'", "nowhere.toml: cannot read the manifest"),
    ],
)
def test_what_is_wrong_is_one_error_that_names_the_place(folder: Path, text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read_settings(_write(folder, text))
