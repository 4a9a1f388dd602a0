"""Synthesises the application into an assembly: ``python -m infra.app ENVIRONMENT BUILD FOLDER``.

An assembly is made once and then only handed around: what was planned is what is applied, and what
is rolled back to is what once was good.
"""

import sys
from pathlib import Path

from engine.codec import Malformed
from infra.environments import Environment, environment
from infra.findings import read_findings
from infra.tools import use_our_node

__all__ = ["SynthesisFailed", "main", "synthesise"]


class SynthesisFailed(Exception):
    """There is no assembly: a rule objects, or the application contradicts itself."""


def synthesise(place: Environment, build: str, out: Path) -> Path:
    """Write the assembly of ``place`` to ``out`` and return it.

    Takes 4 to 10 s; the library and its Node process are loaded here and not before.

    Raises:
        SynthesisFailed: a rule objects, or the application contradicts itself; names each place.
    """
    use_our_node()
    from infra.blueprint import blueprint

    try:
        blueprint(place, build, out).synth()
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
    if len(arguments) != 3:
        sys.stderr.write("usage: python -m infra.app ENVIRONMENT BUILD FOLDER\n")
        return 2
    name, build, out = arguments
    try:
        synthesise(environment(name), build, Path(out))
    except (Malformed, SynthesisFailed) as error:
        sys.stderr.write(f"infra.app: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
