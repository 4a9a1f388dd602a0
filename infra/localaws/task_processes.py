"""Which processes of this machine run as tasks of the emulator."""

from pathlib import Path

from infra.localaws.local import Running

__all__ = ["task_pids"]


def task_pids(aws: Running) -> list[int]:
    """The processes that run as tasks: those whose folder is below the emulator's."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                here = (entry / "cwd").readlink()
            except OSError:
                continue
            if here.is_relative_to(aws.folder / "tasks"):
                found.append(int(entry.name))
    return found
