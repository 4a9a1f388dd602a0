"""What the verbs of ``main.py deploy`` do, once everything is installed."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.cli import CommandError
from engine.codec import Malformed
from infra.deploy.journal import RunFolder, Shelf, default_root, write_whole
from infra.deploy.plan import Plan
from infra.deploy.run import Approved, Kind, Phase, Run, Stopped, Verdict
from infra.deploy.telling import finding_line, plan_lines, run_line, tally
from infra.environments import Environment, environment

if TYPE_CHECKING:
    from infra.deploy.conductor import Asker, Desired

__all__ = ["perform"]

WAITS = 3
"""The plan waits for somebody's approval."""
SHOWN_RUNS = 20


def perform(args: argparse.Namespace) -> int:
    """Do what the verb says.

    Raises:
        CommandError: it cannot be done; says why and what to do about it.
    """
    shelf = Shelf(args.state or default_root(), args.environment)
    try:
        if args.verb == "history":
            return _history(args, shelf)
        place = environment(args.environment)
        if args.verb == "health":
            return _health(args, place, shelf)
        return _run(args, place, shelf)
    except (Malformed, ValueError) as error:
        raise CommandError(str(error)) from None


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


# --- runs ------------------------------------------------------------------------------------------


def _run(args: argparse.Namespace, place: Environment, shelf: Shelf) -> int:
    from infra.deploy.ground import end_emulator, open_ground
    from infra.deploy.local_lock import Held
    from infra.localaws import LocalAwsFailed
    from infra.target import WrongTarget

    kind = Kind(args.verb)
    _check_wish(args, place, shelf, kind)
    try:
        conductor = open_ground(args, place, shelf, _say, _asker(place)).conductor
        run = conductor.conduct(wish(args, kind))
    except (Held, WrongTarget, LocalAwsFailed) as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        _say(f"interrupted; {_standing(shelf)}")
        raise
    except OSError as error:
        raise CommandError(f"{error}; {_standing(shelf)}") from None
    if place.emulated and kind is Kind.DESTROY and run.well:
        end_emulator(shelf)
        _say("the emulator has ended")
    return _outcome(args, place, run, conductor.folder)


def wish(args: argparse.Namespace, kind: Kind) -> "Desired":
    """What the arguments ask for."""
    from infra.deploy.conductor import Desired

    return Desired(kind, args.approve, args.confirm, args.number or 0)


def _check_wish(args: argparse.Namespace, place: Environment, shelf: Shelf, kind: Kind) -> None:
    """Refuse what must not even begin."""
    from infra.environments import Approval

    if kind is Kind.DESTROY and place.protected:
        raise CommandError(f"{place.name} is protected: it is not destroyed from here")
    named = place.approval is Approval.TYPED_NAME or (kind is Kind.DESTROY and not place.emulated)
    if kind in (Kind.DESTROY, Kind.ROLLBACK) and named and args.confirm != place.name:
        raise CommandError(f"type its name: --confirm {place.name}")
    if kind is Kind.DESTROY and place.emulated:
        from infra.localaws import find_local_aws

        if find_local_aws(shelf.emulator) is None:
            shelf.forget()
            raise CommandError("nothing to destroy: the emulator does not run", exit_code=0)


def _outcome(args: argparse.Namespace, place: Environment, run: Run, folder: RunFolder) -> int:
    """Tell how the run ended; its exit code."""
    if args.json is not None:
        _write(args.json, {"run": run, "folder": str(folder.path)})
    if folder.plan.exists() and run.phase is Phase.APPROVAL:
        plan = msgspec.json.decode(folder.plan.read_bytes(), type=Plan)
        for line in plan_lines(plan, run.plan):
            print(line)
        confirm = f" --confirm {place.name}" if run.needs_name else ""
        print(f"approve  main.py deploy apply {place.name} --approve {run.plan[:12]}{confirm}")
        return 0 if args.verb == "plan" else WAITS
    if run.findings:
        print(tally(run.findings))
    if run.well:
        _say(f"run {run.number}: {run.phase.value}, build {run.build}")
        if place.emulated and run.phase is Phase.DONE:
            print("the emulator goes on running; main.py deploy destroy local ends it")
        return 0
    remedy = f"; {run.remedy}" if run.remedy else ""
    raise CommandError(f"run {run.number} {run.phase.value}: {run.reason}{remedy}")


def _standing(shelf: Shelf) -> str:
    """Where the newest run stands, for whoever was interrupted."""
    folder = shelf.newest()
    if folder is None:
        return "nothing was begun"
    try:
        run = folder.run()
    except Malformed as error:
        return str(error)
    if run.over:
        return f"run {run.number} is over: {run.phase.value}"
    return (
        f"run {run.number} stands at {run.phase.value}: "
        f"main.py deploy apply {run.environment} goes on with it"
    )


def _asker(place: Environment) -> "Asker":
    """Asks at the terminal; nobody where there is none."""

    def ask(plan: Plan, digest: str) -> Approved | Stopped | None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return None
        from infra.deploy.conductor import who
        from infra.environments import Approval

        for line in plan_lines(plan, digest):
            print(line)
        named = place.approval is Approval.TYPED_NAME
        wanted = place.name if named else "yes"
        word = input(f"carry this plan out? type {wanted!r} (anything else: no) ")
        if word != wanted:
            return Stopped("not approved")
        return Approved(digest, who(), word if named else "")

    return ask


# --- looking ---------------------------------------------------------------------------------------


def _health(args: argparse.Namespace, place: Environment, shelf: Shelf) -> int:
    from infra.deploy.cloud import CloudFailed
    from infra.deploy.ground import look_at
    from infra.target import WrongTarget

    try:
        report = look_at(place, shelf, lambda finding: print(finding_line(finding), flush=True))
    except (WrongTarget, CloudFailed) as error:
        raise CommandError(str(error)) from None
    if report.drifted is None:
        print("drift: it could not be looked at")
    else:
        print(f"drift: {', '.join(report.drifted) or 'none, every stack is as its template says'}")
    print(tally(report.findings))
    if args.json is not None:
        _write(args.json, report)
    failed = [f.name for f in report.findings if f.verdict is Verdict.FAILED]
    if failed:
        raise CommandError(f"{', '.join(failed)} failed")
    return 0


def _history(args: argparse.Namespace, shelf: Shelf) -> int:
    if args.number is not None:
        for line in shelf.folder(args.number).lines():
            print(msgspec.json.encode(line).decode())
        return 0
    runs = list(shelf.runs())[:SHOWN_RUNS]
    for folder, run in runs:
        print(run_line(run, began_at(folder)))
    if not runs:
        print(f"no run yet: main.py deploy apply {shelf.environment}")
    if args.json is not None:
        _write(args.json, [run for _, run in runs])
    return 0


def began_at(folder: RunFolder) -> str:
    """When a run began, in UTC."""
    lines = folder.lines()
    at_ms = lines[0].at_ms if lines else 0
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _write(path: Path, what: object) -> None:
    write_whole(path, msgspec.json.format(msgspec.json.encode(what), indent=2))
