"""Docker's Python library, as far as ministack imports it, with the launcher behind it."""

import sys
from pathlib import Path
from types import ModuleType

from infra.localaws.addresses import Addresses
from infra.localaws.launcher import Launcher, NotFound, UnknownImage

__all__ = ["install_docker"]


def install_docker(folder: Path, addresses: Addresses) -> Launcher:
    """Be the module ``docker`` of this process; tasks live below ``folder`` and at ``addresses``.

    An installed Docker library is hidden, so that no daemon of this machine ever takes part.
    """
    launcher = Launcher(folder, addresses)
    docker, errors = ModuleType("docker"), ModuleType("docker.errors")
    for name, value in {
        "NotFound": NotFound,
        "ImageNotFound": UnknownImage,
        "APIError": OSError,
        "DockerException": Exception,
    }.items():
        setattr(errors, name, value)
    setattr(docker, "errors", errors)  # noqa: B010 - a module made at run time has no such attribute
    setattr(docker, "from_env", lambda **_: launcher)  # noqa: B010
    sys.modules.update({"docker": docker, "docker.errors": errors})
    return launcher
