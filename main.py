"""The command line of Incident Commander.

Every command is a module with ``add_arguments(parser)`` and ``run(args) -> int``. Only the module of
the command that was chosen is imported, so that ``--help`` stays quick and loads no screen.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol, cast

from engine.cli import CommandError

if TYPE_CHECKING:
    from engine.paths import RunPaths
    from engine.stream.deploying import Deployer
    from engine.stream.drilling import Drills

VERSION = "0.1.0"
FAILED = 1
MISUSED = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: the reader of our output has gone."""


class Command(NamedTuple):
    """One line of the command table."""

    name: str
    summary: str
    module: str
    """Where its functions are; imported only when the command is chosen."""
    examples: tuple[str, ...]
    """What follows ``main.py`` in the examples below its help."""


COMMANDS = (
    Command(
        "up",
        "a fleet, the swarm that looks after it, and the console in front",
        "chaos.commands.up",
        ("up --drill demo", "up", "up --plain", "up --drill demo --window"),
    ),
    Command(
        "drill",
        "real faults on a real fleet, headless, measured by those who saw them",
        "chaos.commands.drill",
        (
            "drill kill-payments --seed 1",
            "drill --all --policy swarm --policy runbook --policy restart --policy off --json out.json",
            "drill bad-deploy --against-swarm kill-primary --repeat 10",
            "drill kill-payments --against-swarm byzantine:conflicting_votes",
            "drill kill-payments --against-swarm kill-30-percent",
            "drill --kill-matrix",
        ),
    ),
    Command(
        "console",
        "a screen of a run: live, in this terminal",
        "controlroom.cli_console",
        ("console", "console --plain", "console --replay LEDGER"),
    ),
    Command(
        "window",
        "the 3D window: fleet, council and every message, live or replayed",
        "controlroom.cli_window",
        (
            "window",
            "window --connect ws://127.0.0.1:8700",
            "window --replay LEDGER --presentation",
        ),
    ),
    Command(
        "screenshots",
        "the pictures of the window in the documentation, from recorded runs",
        "chaos.commands.screenshots",
        ("screenshots", "screenshots --out FOLDER"),
    ),
    Command(
        "bench",
        "measure a start, an idle swarm, consensus, the stream or the senses, with their aims beside them",
        "chaos.commands.bench",
        (
            "bench loop --repeat 5 --json bench.json",
            "bench consensus",
            "bench stream",
            "bench senses --json senses.json",
            "bench deploy",
        ),
    ),
    Command(
        "evaluate",
        "recorded incidents through the senses, point by point on a virtual clock",
        "engine.cli.evaluate",
        (
            "evaluate FOLDER --out results.jsonl",
            "evaluate FOLDER --out told.jsonl --onsets onsets.json",
            "evaluate FOLDER --out baseline.jsonl --method robust-floor",
        ),
    ),
    Command(
        "compare",
        "results of evaluate against the truth: own beside baselines, with paired intervals",
        "engine.cli.compare",
        (
            "compare FOLDER --own told.jsonl --with robust-floor.jsonl spans-logs.jsonl",
            "compare FOLDER --own results.jsonl --with ewma-z.jsonl --for detection",
        ),
    ),
    Command(
        "record",
        "a stretch of live telemetry as a recording, so that yesterday's incident is a test",
        "engine.cli.record",
        ("record incident-7 --last 10m", "record last-drill --ledger LEDGER"),
    ),
    Command(
        "simulate",
        "consensus under seeded faults and attacks; prints violations and coverage",
        "engine.cli.simulate",
        (
            "simulate",
            "simulate --seeds 0..2000",
            "simulate --minutes 10 --agents 5",
            "simulate --seeds 7..8 --trace 7.trace",
            "simulate --model-check",
            "simulate --twins --rounds 3",
        ),
    ),
    Command(
        "bus",
        "one server of the bus, for a swarm over several machines",
        "engine.cli.bus",
        (
            "bus --run-dir DIR --private-dir OWN --name bus-1 --cluster c --listen HOST:4222 --routes HOST:6222",
        ),
    ),
    Command(
        "verify",
        "check a ledger or a certificate offline, trusting nothing but public keys",
        "engine.cli.verify",
        ("verify LEDGER", "verify --trust KEYS LEDGER"),
    ),
    Command(
        "freeze",
        "stop all automation of a run, with or without a quorum",
        "engine.cli.freeze",
        ("freeze",),
    ),
    Command("thaw", "let automation go on", "engine.cli.freeze", ("thaw",)),
    Command(
        "token",
        "let others look or command: issue, list and revoke tokens that expire",
        "engine.cli.token",
        (
            "token issue wall-display",
            "token issue alice --scope operator --hours 8 --out alice.token",
            "token list",
            "token revoke alice",
        ),
    ),
    Command(
        "engine",
        "bus, agents, actuator, ledger and stream of a run, without a screen",
        "engine.cli.engine",
        ("engine --config prod.toml", "engine --run-dir DIR"),
    ),
    Command(
        "agent",
        "one agent of a run's swarm; or a new key and a new process for one",
        "engine.cli.agent",
        ("agent replace diagnosis-1", "agent --run-dir DIR --id diagnosis-1"),
    ),
    Command(
        "policy",
        "what the swarm may do alone: show it, or have another policy ordered in",
        "engine.cli.policy",
        ("policy", "policy set careful.toml", "policy set careful.toml --within 30"),
    ),
    Command(
        "actuator",
        "the process of a run that carries out what certificates allow",
        "engine.cli.actuator",
        ("actuator --run-dir DIR",),
    ),
    Command(
        "deploy",
        "plan, apply, check, roll back and destroy an environment through real CDK",
        "infra.deploy.cli",
        (
            "deploy apply local",
            "deploy health local",
            "deploy plan dev",
            "deploy apply prod --approve 3f9c01d2ab44 --confirm prod",
            "deploy rollback dev",
            "deploy history local --run 3",
            "deploy destroy local",
        ),
    ),
    Command(
        "doctor",
        "what works on this machine and what is missing, with the command that mends it",
        "engine.cli.doctor",
        ("doctor", "doctor --plain"),
    ),
)


class CommandModule(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the command takes."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the result is the exit code."""
        ...


def read_recording(ledger: Path, progress: Callable[[str], None]) -> object:
    """What screens replay: they may not know of ledgers, so it is handed to them from here."""
    return importlib.import_module("engine.playback").read_recording(ledger, progress)


def ensure_extras(extras: Sequence[str], packages: Sequence[str], *, install: bool) -> None:
    """See to it that what a screen needs beside the base is installed."""
    importlib.import_module("engine.cli.extras").ensure(extras, packages, install=install)


def measure_deploy(told: Callable[[str], None]) -> object:
    """The figures of a whole deployment on the emulator; the benches may not know of it."""
    ensure_extras(("aws", "deploy"), ("boto3", "aws_cdk", "ministack"), install=True)
    from infra.bench.broken import BenchBroken
    from infra.bench.figures import figures

    try:
        return figures(told)
    except BenchBroken as error:
        raise CommandError(str(error)) from None


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Leave with the complaint and where to read more."""
        self.exit(MISUSED, f"{self.prog}: {message} (see {self.prog} --help)\n")


def examples_text(lines: tuple[str, ...]) -> str:
    """The examples below a help text."""
    return "\n".join(["examples:", *(f"  main.py {line}" for line in lines)])


def chosen_command(arguments: list[str]) -> str | None:
    """The name of the command in ``arguments``: no option before it takes a value."""
    return next((word for word in arguments if not word.startswith("-")), None)


def make_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser with all commands by name, and the chosen one with all it takes."""
    parser = OneLineParser(
        prog="main.py",
        description="Incident Commander: a control room for a swarm of incident-response agents.",
        epilog=examples_text(tuple(command.examples[0] for command in COMMANDS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"incident-commander {VERSION}")
    parser.add_argument(
        "--traceback", action="store_true", help="show where an internal error came from"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=examples_text(command.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if command.name == chosen:
            module = cast(CommandModule, importlib.import_module(command.module))
            module.add_arguments(subparser)
            subparser.set_defaults(
                run=module.run,
                read_recording=read_recording,
                ensure=ensure_extras,
                make_deployer=make_deployer,
                make_drills=make_drills,
                measure_deploy=measure_deploy,
            )
    return parser


def make_deployer() -> "Deployer":
    """The deployer that an engine shows and obeys."""
    from infra.deploy.desk import Desk

    return Desk()


def make_drills(paths: "RunPaths") -> "Drills":
    """The drills that an engine shows, and starts when an operator orders one."""
    from chaos.desk import Drills

    return Drills(paths)


def complain(chosen: str | None, message: str) -> None:
    """Write one line to stderr."""
    name = f"main.py {chosen}" if chosen else "main.py"
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)


def internal_error_line(error: BaseException) -> str:
    """A bug of ours in one line: what it was, and the last place it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"internal error: {type(error).__name__}: {error}{place} (main.py --traceback says more)"


def main(arguments: list[str]) -> int:
    """Run the command that ``arguments`` name and return its exit code."""
    chosen = chosen_command(arguments)
    try:
        args = make_parser(chosen).parse_args(arguments)
        code = int(args.run(args))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except CommandError as error:
        complain(chosen, str(error))
        return error.exit_code
    except ModuleNotFoundError as error:
        complain(chosen, f"{error.name} is not installed here: make venv, then .venv/bin/python")
        return FAILED
    except OSError as error:
        complain(chosen, str(error))
        return FAILED
    except Exception as error:  # the last resort of the whole program: a bug, said in one line
        if "--traceback" in arguments:
            raise
        complain(chosen, internal_error_line(error))
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
