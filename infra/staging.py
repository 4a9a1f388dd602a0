"""What goes into a container image or a Lambda: the files that belong in it, and no other.

The folders are filled anew for each synthesis from a list, not by leaving things out of the
repository: a list of what belongs in it cannot forget a secret.
"""

import shutil
from pathlib import Path

__all__ = ["IMAGE_PARTS", "stage_functions", "stage_image"]

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGE_PARTS = ("main.py", "engine", "assets", "requirements.txt", "requirements-aws.txt")
"""All that the headless engine, an agent and the actuator need."""
_NEVER = shutil.ignore_patterns("__pycache__", "*.pyc")


def stage_functions(scratch: Path) -> Path:
    """A folder with the Lambdas' code, under the package names that it has here."""
    folder = scratch / "functions"
    (folder / "infra").mkdir(parents=True)
    shutil.copy(REPOSITORY / "infra" / "__init__.py", folder / "infra")
    shutil.copytree(
        REPOSITORY / "infra" / "functions", folder / "infra" / "functions", ignore=_NEVER
    )
    return folder


def stage_image(scratch: Path) -> Path:
    """The build context of the image: our code, its pins and the ``Dockerfile``."""
    folder = scratch / "image"
    folder.mkdir(parents=True)
    for name in IMAGE_PARTS:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_NEVER)
        else:
            shutil.copy(source, folder / name)
    shutil.copy(REPOSITORY / "infra" / "image" / "Dockerfile", folder)
    return folder
