"""EFS for tasks: an access point is a folder, and a task that mounts it gets that folder.

The emulator keeps file systems and access points by name only; ``launcher.Volumes`` puts the folders
where a process of this machine finds them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.localaws.seam import add_binds

__all__ = ["folder_of", "install"]


def install(folder: Path) -> None:
    """Give every task the EFS volumes that its definition names, as folders below ``folder``."""

    def binds(definition: Mapping[str, Any], container: Mapping[str, Any]) -> list[str]:
        sources = {_read(volume, "name"): volume for volume in definition.get("volumes", [])}
        found = []
        for mount in container.get("mountPoints", []):
            volume = sources.get(mount.get("sourceVolume"))
            source = folder_of(volume, folder) if volume else None
            if source is not None:
                found.append(f"{source}:{mount['containerPath']}:rw")
        return found

    add_binds(binds)


def folder_of(volume: Mapping[str, Any], folder: Path) -> Path | None:
    """The folder that stands for a task definition's volume; None when it is not on EFS."""
    efs = _read(volume, "efsVolumeConfiguration", "EFSVolumeConfiguration")
    if not isinstance(efs, Mapping):
        return None
    system = _read(efs, "fileSystemId", "FilesystemId", "FileSystemId")
    access = _read(efs, "authorizationConfig", "AuthorizationConfig")
    point = _read(access, "accessPointId", "AccessPointId") if isinstance(access, Mapping) else None
    inside = str(_read(efs, "rootDirectory", "RootDirectory") or "/").strip("/")
    # Names from an API: they may name a folder, and no way out of ours.
    parts = [part for part in (str(system), str(point or "root"), *inside.split("/")) if part]
    if any(part in {".", ".."} or "/" in part or ":" in part for part in parts):
        return None
    return folder.joinpath(*parts)


def _read(mapping: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401 - JSON of others
    """The first of ``names`` that is there: CloudFormation and the API write them differently."""
    for name in names:
        for spelling in (name, name[0].upper() + name[1:]):
            if spelling in mapping:
                return mapping[spelling]
    return None
