"""A cloud assembly: what the CDK synthesised once, its digest, its stacks and their order.

It is never changed: what was planned is what is applied, and what is rolled back to is what once was
good. So that another machine can go back to it too, the last good one is kept in the CDK's bucket.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from engine.codec import Malformed
from infra.target import AwsClient

__all__ = [
    "GoodRecord",
    "StackOf",
    "build_of",
    "digest_of_folder",
    "fetch_good",
    "send_good",
    "stacks_of",
    "template_of",
]

MAX_ARCHIVE_BYTES = 1 << 30
VOLATILE = frozenset({"validation-report.json", ".cache"})
"""Written by the CDK's command line when it looks at an assembly."""


class StackOf(msgspec.Struct, frozen=True):
    """One stack of an assembly."""

    name: str
    template: Path
    after: tuple[str, ...]
    """The names of the stacks that it stands on."""
    protected: bool = False
    """Whether CloudFormation shall refuse to delete it."""


class GoodRecord(msgspec.Struct, frozen=True):
    """What the account says was good last."""

    run: int
    assembly: str
    build: str
    at_ms: int


def digest_of_folder(folder: Path) -> str:
    """The digest over all files of an assembly, in hexadecimal."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).parts[0] not in VOLATILE:
            digest.update(str(path.relative_to(folder)).encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stacks_of(folder: Path) -> list[StackOf]:
    """The stacks of an assembly, those that others stand on first.

    Raises:
        Malformed: this is no assembly; names the file.
    """
    artifacts = _read(folder / "manifest.json").get("artifacts", {})
    stacks: dict[str, tuple[StackOf, list[str]]] = {}
    try:
        for key, artifact in artifacts.items():
            if artifact.get("type") != "aws:cloudformation:stack":
                continue
            properties = artifact["properties"]
            needs = [
                name
                for name in artifact.get("dependencies", ())
                if artifacts.get(name, {}).get("type") == "aws:cloudformation:stack"
            ]
            name = _name(artifacts, key)
            template = folder / properties["templateFile"]
            protected = bool(properties.get("terminationProtection"))
            after = tuple(_name(artifacts, need) for need in needs)
            stacks[key] = StackOf(name, template, after, protected), needs
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"{folder / 'manifest.json'}: no cloud assembly: {error!r}") from None
    if not stacks:
        raise Malformed(f"{folder / 'manifest.json'}: it holds no stack; synthesise it again")
    return [stacks[key][0] for key in _ordered({key: needs for key, (_, needs) in stacks.items()})]


def _name(artifacts: dict[str, Any], key: str) -> str:
    return str(artifacts[key]["properties"].get("stackName", key))


def _ordered(needs: dict[str, list[str]]) -> list[str]:
    """Keys so that each comes after what it needs (Kahn 1962); ties by name."""
    placed: list[str] = []
    while len(placed) < len(needs):
        free = sorted(
            key
            for key, wanted in needs.items()
            if key not in placed and all(name in placed or name not in needs for name in wanted)
        )
        if not free:
            raise Malformed(
                f"the stacks {', '.join(sorted(set(needs) - set(placed)))} need each other"
            )
        placed += free
    return placed


def template_of(stack: StackOf) -> dict[str, Any]:
    """A stack's template.

    Raises:
        Malformed: it cannot be read.
    """
    return _read(stack.template)


def build_of(folder: Path) -> str:
    """The build that an assembly's functions will say they are; empty where none says any.

    Raises:
        Malformed: this is no assembly.
    """
    for stack in stacks_of(folder):
        for resource in template_of(stack).get("Resources", {}).values():
            if resource.get("Type") == "AWS::Lambda::Function":
                settings = resource.get("Properties", {}).get("Environment", {})
                build = settings.get("Variables", {}).get("BUILD")
                if isinstance(build, str):
                    return build
    return ""


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise Malformed(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise Malformed(f"{path}: not a JSON object")
    return found


# --- the copy in the account -----------------------------------------------------------------------


def send_good(s3: AwsClient, bucket: str, prefix: str, folder: Path, good: GoodRecord) -> None:
    """Keep an assembly in the account, and say that it is what was good last.

    Raises:
        ClientError: the bucket cannot be written.
    """
    key = f"{prefix}/{good.assembly}.tar.gz"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(folder, arcname=".")
    s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())
    s3.put_object(Bucket=bucket, Key=f"{prefix}/good.json", Body=msgspec.json.encode(good))


def good_record(s3: AwsClient, bucket: str, prefix: str) -> GoodRecord | None:
    """What the account says was good last; None when nothing ever was.

    Raises:
        Malformed: it says something that cannot be read.
        ClientError: the bucket cannot be read.
    """
    try:
        body = s3.get_object(Bucket=bucket, Key=f"{prefix}/good.json")["Body"].read(1 << 16)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
    try:
        return msgspec.json.decode(body, type=GoodRecord)
    except msgspec.DecodeError as error:
        raise Malformed(f"s3://{bucket}/{prefix}/good.json: {error}") from None


def fetch_good(s3: AwsClient, bucket: str, prefix: str, good: GoodRecord, folder: Path) -> None:
    """Bring an assembly back from the account into ``folder``, which must not exist.

    Raises:
        Malformed: what the account keeps is not what it says.
    """
    where = f"s3://{bucket}/{prefix}/{good.assembly}.tar.gz"
    scratch = folder.with_name(f"{folder.name}.fetched")
    try:
        body = s3.get_object(Bucket=bucket, Key=f"{prefix}/{good.assembly}.tar.gz")["Body"]
        data = body.read(MAX_ARCHIVE_BYTES + 1)
        if len(data) > MAX_ARCHIVE_BYTES:
            raise Malformed(f"{where}: longer than {MAX_ARCHIVE_BYTES} bytes")
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            # Python's own filter: nothing outside the folder, no devices, no links out of it.
            tar.extractall(scratch, filter="data")
    except (ClientError, BotoCoreError, tarfile.TarError, OSError, EOFError) as error:
        raise Malformed(f"{where}: {error}") from None
    found = digest_of_folder(scratch)
    if found != good.assembly:
        raise Malformed(f"{where}: its digest is {found[:12]}, not {good.assembly[:12]}")
    scratch.rename(folder)
