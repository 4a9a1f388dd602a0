"""The server's configuration: loopback, one user each, nobody speaks for another."""

import json
from pathlib import Path

import pytest

from engine.bus import server
from engine.bus.nats import read_credential
from engine.codec import Malformed
from engine.paths import RunPaths

AGENTS = ["agent-1", "agent-2"]


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "run").make()


def test_each_user_may_publish_under_his_own_name_only() -> None:
    rights = server.rights_of(AGENTS, ["operator"])

    for user, right in rights.items():
        if user != "engine":
            assert all(subject.split(".")[1] == user for subject in right.publish)
    assert rights["actuator"].publish == ("submit.actuator",)
    assert rights["probe"].publish == ("submit.probe",)
    assert rights["engine"].publish == ("submit.operator", "fetch.engine")
    everything = [s for right in rights.values() for s in (*right.publish, *right.subscribe)]
    assert not any("_INBOX" in subject or ">" in subject for subject in everything)


def test_configuration_and_credentials_are_for_their_owner_only(paths: RunPaths) -> None:
    made = server.prepare(paths, AGENTS)

    for user in (*AGENTS, "actuator", "probe", "engine", "operator"):
        path = paths.bus_credential(user)
        assert path.stat().st_mode & 0o777 == 0o600
        assert read_credential(path).url == f"nats://127.0.0.1:{made.port}"
    assert made.configuration.stat().st_mode & 0o777 == 0o600
    assert json.loads(made.configuration.read_text())["host"] == "127.0.0.1"


def test_a_second_start_keeps_port_and_passwords(paths: RunPaths) -> None:
    first = server.prepare(paths, AGENTS)
    before = read_credential(paths.bus_credential("agent-1"))

    second = server.prepare(paths, [*AGENTS, "agent-3"])

    assert second.port == first.port
    assert read_credential(paths.bus_credential("agent-1")) == before


@pytest.mark.parametrize("name", ["a.b", "*", ">", "", "a b"])
def test_a_name_that_is_no_word_is_refused(paths: RunPaths, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a word of a subject"):
        server.prepare(paths, [name])


def test_a_credential_that_others_can_read_is_refused(paths: RunPaths) -> None:
    server.prepare(paths, AGENTS)
    path = paths.bus_credential("agent-1")
    path.chmod(0o644)
    with pytest.raises(Malformed, match="chmod 600"):
        read_credential(path)


def test_a_missing_or_garbled_credential_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="cannot read"):
        read_credential(tmp_path / "nobody.json")
    (tmp_path / "garbled.json").write_text("{}")
    (tmp_path / "garbled.json").chmod(0o600)
    with pytest.raises(Malformed, match="no bus credential"):
        read_credential(tmp_path / "garbled.json")
