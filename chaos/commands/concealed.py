"""Keeps what is rehearsed out of this process's arguments, where any process could read it.

The command starts itself anew, in the same process, with nothing but a file descriptor as argument:
what the user asked for lies in memory behind it.
"""

import argparse
import json
import os
import sys

__all__ = ["add_descriptor", "conceal"]

_OPTION = "--concealed"


def add_descriptor(parser: argparse.ArgumentParser) -> None:
    """Declare the hidden option that carries the descriptor."""
    parser.add_argument(_OPTION, type=int, default=None, help=argparse.SUPPRESS)


def conceal(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments as the user gave them, in a process whose command line does not show them."""
    # What main.py hands in as functions it hands in to the new program again.
    given = {
        name: value
        for name, value in vars(args).items()
        if name != "concealed" and not callable(value)
    }
    if args.concealed is None:
        descriptor = os.memfd_create("request", flags=0)
        os.write(descriptor, json.dumps(given).encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        sys.stdout.flush()
        program = [sys.executable, sys.argv[0], args.command, _OPTION, str(descriptor)]
        os.execv(sys.executable, program)  # noqa: S606 -- ourselves, with fewer words
    with os.fdopen(args.concealed, "rb") as file:
        return argparse.Namespace(**json.load(file))
