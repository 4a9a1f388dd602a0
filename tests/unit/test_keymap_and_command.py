"""The viewer's own keys, and what ``main.py console`` says when it cannot show anything."""

import argparse
from pathlib import Path

import pytest

from controlroom import cli_console
from controlroom.console.app import own_key_ids
from controlroom.keymap import BadKeymap, read_keymap

KNOWN = {"approve", "quit"}


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "keys.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_keymap_says_which_key_does_what(tmp_path: Path) -> None:
    path = _file(tmp_path, '[keys]\napprove = "A"\nquit = "x,ctrl+q"\n')

    assert read_keymap(path, KNOWN) == {"approve": "A", "quit": "x,ctrl+q"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[keys]\nfly = "f"\n', "no key does 'fly'; these exist: approve, quit"),
        ("[keys]\napprove = 3\n", "must be a key in quotes"),
        ('[keys]\napprove = " "\n', "must be a key in quotes"),
        ('keys = "x"\n', "only two tables"),
        ('[colours]\nred = "x"\n', "only two tables"),
        ("[keys\n", "keys.toml"),
        (b"\xff\xfe", "keys.toml"),
    ],
)
def test_a_wrong_keymap_gets_one_clear_error(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    with pytest.raises(BadKeymap) as caught:
        read_keymap(_file(tmp_path, content), KNOWN)

    assert said in str(caught.value)
    assert "keys.toml" in str(caught.value)


def test_every_key_has_a_name_to_remap_it_by() -> None:
    expected = {"approve", "refuse", "freeze", "thaw", "take-over", "note", "pause", "copy", "quit"}

    assert expected <= own_key_ids()


def _args(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli_console.add_arguments(parser)
    return parser.parse_args(words)


def test_no_terminal_is_told_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_console.run(_args()) == 2
    assert "use --plain" in capsys.readouterr().err


def test_an_address_in_the_clear_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_console.run(_args("--connect", "ws://192.0.2.7:80", "--plain")) == 2
    assert "in the clear" in capsys.readouterr().err
