"""EFS for tasks: an access point is a door to a folder, and a task that mounts it gets that folder.

The emulator keeps file systems and access points by name only; ``launcher.Volumes`` puts the folders
where a process of this machine finds them. Two access points with one path are two doors to one folder,
as on AWS. Their user ids are not: all tasks run as whoever started the emulator.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.localaws.seam import add_binds, in_process_client

__all__ = ["folder_of", "install", "path_of_access_point"]


def install(folder: Path) -> None:
    """Give every task the EFS volumes that its definition names, as folders below ``folder``."""

    def binds(definition: Mapping[str, Any], container: Mapping[str, Any]) -> list[str]:
        sources = {_read(volume, "name"): volume for volume in definition.get("volumes", [])}
        found = []
        for mount in container.get("mountPoints", []):
            volume = sources.get(mount.get("sourceVolume"))
            source = folder_of(volume, folder, path_of_access_point) if volume else None
            if source is not None:
                found.append(f"{source}:{mount['containerPath']}:rw")
        return found

    add_binds(binds)


def path_of_access_point(point: str) -> str:
    """The path of an access point in its file system; its own id where the emulator knows none of it."""
    from botocore.exceptions import ClientError

    try:
        found = in_process_client("efs").describe_access_points(AccessPointId=point)
    except ClientError:
        return point
    for known in found["AccessPoints"]:
        return str(known.get("RootDirectory", {}).get("Path", point))
    return point


def folder_of(
    volume: Mapping[str, Any], folder: Path, path_of: Callable[[str], str]
) -> Path | None:
    """The folder that stands for a task definition's volume; None when it is not on EFS."""
    efs = _read(volume, "efsVolumeConfiguration", "EFSVolumeConfiguration")
    if not isinstance(efs, Mapping):
        return None
    system = _read(efs, "fileSystemId", "FilesystemId", "FileSystemId")
    access = _read(efs, "authorizationConfig", "AuthorizationConfig")
    point = _read(access, "accessPointId", "AccessPointId") if isinstance(access, Mapping) else None
    inside = str(_read(efs, "rootDirectory", "RootDirectory") or "/").strip("/")
    # Names from an API: they may name a folder, and no way out of ours.
    entered = path_of(str(point)) if point else "root"
    parts = [part for part in (str(system), *entered.split("/"), *inside.split("/")) if part]
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
