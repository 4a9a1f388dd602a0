"""What is about to be deployed: a build id, and whether all of it is committed."""

import hashlib
import subprocess
from pathlib import Path
from typing import NamedTuple

__all__ = ["REPOSITORY", "Source", "source_of"]

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYED = ("engine", "infra", "controlroom", "chaos", "assets", "main.py", "requirements.txt")
"""What an image is made from, where there is no git to ask."""


class Source(NamedTuple):
    """Which code this is."""

    build: str
    """A commit, with a digest of what differs from it: ``4f3efd4a1b2c-d1c9``."""
    changed: tuple[str, ...]
    """Files that are not committed as they are."""
    versioned: bool


def source_of(repository: Path) -> Source:
    """Which code lies in ``repository``."""
    commit = _git(repository, "rev-parse", "HEAD").strip().decode()
    if not commit:
        return Source(f"files-{_digest_of_files(repository)[:12]}", (), versioned=False)
    names = _git(repository, "status", "--porcelain", "-z", "--untracked-files=normal")
    changed = tuple(entry[3:] for entry in names.decode(errors="replace").split("\0") if entry)
    if not changed:
        return Source(commit[:12], (), versioned=True)
    differs = hashlib.sha256(_git(repository, "diff", "HEAD", "--binary"))
    for name in changed:
        path = repository / name
        if path.is_file():
            differs.update(name.encode())
            differs.update(path.read_bytes())
    return Source(f"{commit[:12]}-{differs.hexdigest()[:8]}", changed, versioned=True)


def _git(repository: Path, *arguments: str) -> bytes:
    """What git answers; nothing where there is no git or no repository."""
    try:
        return subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return b""


def _digest_of_files(repository: Path) -> str:
    digest = hashlib.sha256()
    for name in DEPLOYED:
        root = repository / name
        for path in sorted([root, *root.rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(repository)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
