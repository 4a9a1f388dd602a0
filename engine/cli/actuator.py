"""``main.py actuator``: the process that carries out what certificates allow."""

import argparse

from engine.act.process import run_actuator
from engine.cli.part import add_run_dir, paths_of, run_part

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)


def run(args: argparse.Namespace) -> int:
    """Be the actuator until standard input ends."""
    return run_part(run_actuator(paths_of(args)))
