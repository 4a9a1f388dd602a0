"""Synthesises the application: ``python -m infra.app [--unhealthy] ENVIRONMENT BUILD FOLDER``.

An assembly is made once and then only handed around: what was planned is what is applied, and what
is rolled back to is what once was good.
"""

import sys
import tempfile
from pathlib import Path

from engine.codec import Malformed
from infra.environments import Environment, environment
from infra.findings import read_findings
from infra.tools import use_our_node

__all__ = ["SynthesisFailed", "main", "synthesise"]


class SynthesisFailed(Exception):
    """There is no assembly: a rule objects, or the application contradicts itself."""


def synthesise(place: Environment, build: str, out: Path, *, unhealthy: bool = False) -> Path:
    """Write the assembly of ``place`` to ``out`` and return it.

    Takes 4 to 10 s; the library and its Node process are loaded here and not before.

    Args:
        place: whose assembly.
        build: what is deployed, for instance a commit's hash.
        out: the folder, which is made.
        unhealthy: a rehearsal of a bad update: its health page will answer 503. For the emulator.

    Raises:
        ValueError: a rehearsal for an environment that is none.
        SynthesisFailed: a rule objects, or the application contradicts itself; names each place.
    """
    if unhealthy and not place.emulated:
        raise ValueError(f"{place.name}: a bad update is rehearsed on the emulator, nowhere else")
    use_our_node()
    from infra.blueprint import blueprint

    try:
        with tempfile.TemporaryDirectory() as scratch:
            blueprint(place, build, out, Path(scratch), unhealthy=unhealthy).synth()
    except RuntimeError as error:
        # What the library says comes as a JavaScript error with its stack in the text.
        raise SynthesisFailed(_objections(out) or str(error).partition("\n")[0]) from error
    return out


def _objections(out: Path) -> str:
    """What the rules object to, in one line; empty when it was something else that failed."""
    try:
        found = read_findings(out)
    except Malformed:
        return ""
    return "; ".join(f"{finding.construct}: {finding.rule}: {finding.what}" for finding in found)


def main(arguments: list[str]) -> int:
    """Be the command; the result is the exit code."""
    unhealthy = arguments[:1] == ["--unhealthy"]
    arguments = arguments[1:] if unhealthy else arguments
    if len(arguments) != 3:
        sys.stderr.write("usage: python -m infra.app [--unhealthy] ENVIRONMENT BUILD FOLDER\n")
        return 2
    name, build, out = arguments
    try:
        synthesise(environment(name), build, Path(out), unhealthy=unhealthy)
    except (Malformed, SynthesisFailed, ValueError) as error:
        sys.stderr.write(f"infra.app: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
