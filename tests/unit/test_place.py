"""Where a process finds the bus that others run: named in full, or not at all, and never with a password."""

import argparse
from pathlib import Path

import pytest

from engine.cli import CommandError
from engine.cli.part import add_place, add_run_dir, bus_servers, paths_of


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_run_dir(parser)
    add_place(parser)
    return parser.parse_args(words)


def test_servers_come_from_the_option_or_else_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IC_BUS", "nats://a:4222, nats://b.example:4222")

    assert parsed("--run-dir", "r").bus == ("nats://a:4222", "nats://b.example:4222")
    assert parsed("--run-dir", "r", "--bus", "nats://c:4222").bus == ("nats://c:4222",)

    monkeypatch.delenv("IC_BUS")
    assert parsed("--run-dir", "r").bus == ()


@pytest.mark.parametrize("text", ["http://a:4222", "nats://a", "a:4222", "nats://u:secret@a:4222"])
def test_anything_else_is_refused_and_a_password_is_not_repeated(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no server of a bus") as refused:
        bus_servers(text)

    assert "secret" not in str(refused.value)


def test_a_bus_elsewhere_and_a_private_folder_belong_together(tmp_path: Path) -> None:
    at, bus = ("--run-dir", str(tmp_path)), ("--bus", "nats://a:4222")

    with pytest.raises(CommandError, match="belong together"):
        paths_of(parsed(*at, *bus))
    with pytest.raises(CommandError, match="belong together"):
        paths_of(parsed(*at, "--private-dir", str(tmp_path)))
    with pytest.raises(CommandError, match="no such folder"):
        paths_of(parsed(*at, *bus, "--private-dir", str(tmp_path / "none")))

    paths = paths_of(parsed(*at, *bus, "--private-dir", str(tmp_path / "..")))
    assert paths.agents.parent == paths.apart
