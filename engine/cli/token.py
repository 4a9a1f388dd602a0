"""``main.py token``: tokens for others, that allow less than the owner's, and end.

A token is written to a file that only its owner may read, and shown nowhere: not in an argument, where
every user of the machine sees it, and not in an address, where logs keep it.
"""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from engine.cli import CommandError
from engine.codec import Malformed
from engine.stream.access import Grant, Scope
from engine.stream.issued import Issued
from engine.stream.link import NotFound
from engine.stream.runs import Place

MAX_HOURS = 24 * 366
DEFAULT_HOURS = 12.0

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="which run (default: the newest live one)"
    )
    actions = parser.add_subparsers(dest="action", metavar="issue|list|revoke", required=True)
    issue = actions.add_parser("issue", help="sign a token and write it to a file of mode 0600")
    issue.add_argument("name", help="whose it is: letters, digits, - and _")
    issue.add_argument(
        "--scope",
        choices=[scope.name.lower() for scope in Scope],
        default=Scope.VIEWER.name.lower(),
        help="viewer looks; operator also passes on commands signed with a key of his own (default viewer)",
    )
    issue.add_argument(
        "--hours", type=_hours, default=DEFAULT_HOURS, help="until it ends (default 12)"
    )
    issue.add_argument("--out", type=Path, metavar="FILE", help="where to (default: in the run)")
    actions.add_parser("list", help="what was issued, what it allows, and until when")
    revoke = actions.add_parser("revoke", help="take one back; its connections are closed")
    revoke.add_argument("name", help="as it was issued")


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MAX_HOURS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of hours between 0 and {MAX_HOURS}"
        )
    return hours


def run(args: argparse.Namespace) -> int:
    """Issue, list or revoke."""
    try:
        paths = Place(root=args.run_dir).paths()
    except NotFound as error:
        raise CommandError(str(error)) from None
    issued = Issued(paths.stream_token, paths.issued_tokens, paths.revoked_tokens)
    now_ms = time.time_ns() // 1_000_000
    try:
        match args.action:
            case "issue":
                _issue(issued, args, now_ms)
            case "revoke":
                issued.revoke(args.name, now_ms)
                print(f"{args.name}: revoked")
            case _:
                _list(issued, now_ms)
    except Malformed as error:
        raise CommandError(str(error)) from None
    return 0


def _issue(issued: Issued, args: argparse.Namespace, now_ms: int) -> None:
    scope = Scope[args.scope.upper()]
    grant = Grant(scope, args.name, now_ms + int(args.hours * 3_600_000))
    file = issued.issue(grant, args.out)
    print(f"{args.name}: {args.scope} until {_date(grant.expires_ms)}; the token is in {file}")


def _list(issued: Issued, now_ms: int) -> None:
    grants = issued.all()
    if not grants:
        print("no token was issued for this run")
    for grant in grants:
        state = "✖ over " if 0 < grant.expires_ms <= now_ms else "✓ valid"
        print(f"{state}  {grant.name:<24} {grant.scope.name.lower():<9} {_date(grant.expires_ms)}")


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
