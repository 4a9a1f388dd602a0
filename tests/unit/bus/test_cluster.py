"""A server of a bus that has several: who may enter follows from the genesis and the keys that were shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine import genesis as genesis_file
from engine.bus.cluster import Place, members_of, prepare_server
from engine.bus.nkey import BusKey, publish_bus_key
from engine.codec import Malformed
from engine.paths import RunPaths
from tests.court import Court

PEERS = (("b.example", 6222), ("c.example", 6222))


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    paths = RunPaths(tmp_path / "run", tmp_path / "own").make()
    genesis_file.write(Court().genesis, paths.genesis)
    for member in members_of(Court().genesis):
        publish_bus_key(paths.bus_member(member), BusKey(tmp_path / f"{member}.key"))
    return paths


def place(name: str) -> Place:
    return Place(name, ("127.0.0.1", 4222), ("127.0.0.1", 6222), PEERS, "swarm")


def configured(argv: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(argv[-1]).read_bytes())
    return found


async def test_every_member_enters_with_its_key_and_its_rights(paths: RunPaths) -> None:
    settings = configured(await prepare_server(paths, place("bus-1"), 0.0))

    users = settings["authorization"]["users"]
    assert len(users) == len(members_of(Court().genesis))
    for user in users:
        assert set(user) == {"nkey", "permissions"}
        assert user["permissions"]["publish"]["allow"]
    assert settings["host"] == "127.0.0.1"


async def test_servers_share_a_password_that_stands_in_no_command(paths: RunPaths) -> None:
    one = await prepare_server(paths, place("bus-1"), 0.0)
    two = await prepare_server(paths, place("bus-2"), 0.0)

    passwords = {configured(argv)["cluster"]["authorization"]["password"] for argv in (one, two)}
    [password] = passwords
    assert len(password) >= 32
    assert password not in " ".join((*one, *two))
    assert configured(one)["cluster"]["routes"] == [
        f"nats-route://server:{password}@{host}:{port}" for host, port in PEERS
    ]
    for file in paths.bus.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


async def test_a_key_that_is_not_there_is_named(paths: RunPaths) -> None:
    paths.bus_member("actuator").unlink()

    with pytest.raises(Malformed, match=r"actuator\.bus did not come"):
        await prepare_server(paths, place("bus-1"), 0.0)


async def test_nobody_enters_with_anothers_key(paths: RunPaths) -> None:
    paths.bus_member("actuator").write_text(paths.bus_member("engine").read_text())

    with pytest.raises(Malformed, match="two share a key"):
        await prepare_server(paths, place("bus-1"), 0.0)


def test_the_folder_of_keys_lets_everybody_add_and_nobody_replace(paths: RunPaths) -> None:
    assert paths.public_keys.stat().st_mode & 0o7777 == 0o1777
    assert paths.secrets.stat().st_mode & 0o777 == 0o700
    assert paths.secrets.parent == paths.apart
