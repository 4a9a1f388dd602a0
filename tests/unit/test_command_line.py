"""The command line: one clear line for each way to fail."""

import argparse
import sys
from types import ModuleType

import pytest

import main
from engine.cli import CommandError
from engine.cli.doctor import Finding, Status, text_of


def install_command(monkeypatch: pytest.MonkeyPatch, failure: BaseException | None) -> None:
    """A command named ``try`` that fails with ``failure``, or returns 3."""
    module = ModuleType("command_under_test")

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--size", type=int)

    def run(args: argparse.Namespace) -> int:
        assert args.command == "try"
        if failure is not None:
            raise failure
        return 3

    vars(module).update(add_arguments=add_arguments, run=run)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    command = main.Command("try", "tries", module.__name__, ("try",))
    monkeypatch.setattr(main, "COMMANDS", (command,))


def test_exit_code_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    install_command(monkeypatch, None)

    assert main.main(["try"]) == 3


@pytest.mark.parametrize(
    ("failure", "code", "line"),
    [
        (CommandError("no\nfleet"), 1, "main.py try: no fleet\n"),
        (CommandError("not so", exit_code=2), 2, "main.py try: not so\n"),
        (OSError("disk full"), 1, "main.py try: disk full\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_failure_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    code: int,
    line: str,
) -> None:
    install_command(monkeypatch, failure)

    assert main.main(["try"]) == code
    assert capsys.readouterr() == ("", line)


def test_internal_error_names_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install_command(monkeypatch, ZeroDivisionError("by zero"))

    assert main.main(["try"]) == 1
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1
    assert "internal error: ZeroDivisionError: by zero at test_command_line.py:" in stderr
    with pytest.raises(ZeroDivisionError):
        main.main(["--traceback", "try"])


@pytest.mark.parametrize("arguments", [[], ["nope"], ["try", "--size", "x"], ["try", "--nope"]])
def test_misuse_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    install_command(monkeypatch, None)

    with pytest.raises(SystemExit, match="2"):
        main.main(arguments)

    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1
    assert "--help" in stderr


@pytest.mark.parametrize("command", main.COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_examples(
    command: main.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main.main([command.name, "--help"])

    assert f"examples:\n  main.py {command.name}" in capsys.readouterr().out


def test_finding_says_glyph_word_and_remedy() -> None:
    finding = Finding("NATS", Status.MISSING, "no binary found", "make venv")

    assert text_of(finding, plain=False).splitlines() == [
        "✗ missing  NATS             no binary found",
        "  mend:    make venv",
    ]
    assert "✗" not in text_of(finding, plain=True)
