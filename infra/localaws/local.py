"""The emulator as a process of ours: started, waited for, found again, and ended for certain.

Two ways of life. ``LocalAws`` ends with its block and dies with its parent: for tests. An emulator
from ``start_local_aws`` outlives the command that started it, is found again by its folder, and ends
with ``end_local_aws``: for ``main.py deploy``.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import msgspec

from infra.environments import LOCAL_ACCOUNT
from infra.localaws.birth import LOG, Birth, LocalAwsFailed
from infra.target import AwsClient
from infra.tools import node

__all__ = [
    "LocalAws",
    "LocalAwsFailed",
    "Running",
    "end_local_aws",
    "find_local_aws",
    "start_local_aws",
]

REGION = "us-east-1"
STOP_GRACE_S = 3.0
"""Ministack does not end by itself once a Lambda has run (measured): ask, wait, then kill."""
RECORD = "emulator.json"
START_TRIES = 3
"""The port is free when it is chosen, and may be taken a moment later."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a folder says about the emulator that lives in it."""

    pid: int
    started: int
    """Clock ticks after boot: with the pid, it names one process for ever."""
    port: int


@dataclass(frozen=True)
class Running:
    """An emulator that answers."""

    folder: Path
    pid: int
    port: int

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        """What it wrote."""
        return self.folder / LOG

    def environment(self) -> dict[str, str]:
        """What boto3, the CDK and a Lambda need in their environment to talk to it alone."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            # The CDK hands templates to CloudFormation by address; without this it names real S3.
            "AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION": self.endpoint,
            # The emulator takes twelve digits as the account.
            "AWS_ACCESS_KEY_ID": LOCAL_ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            # No profile of this machine's owner takes part.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            # The library's own look at each template takes half of a synthesis; our tests let it look at these
            # very templates, and for an account it looks at every one.
            "CDK_VALIDATION": "false",
            "JSII_NODE": str(node()),
        }

    def client(self, service: str) -> AwsClient:
        """A boto3 client of ``service`` that talks to this emulator."""
        import boto3

        return boto3.Session().client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=LOCAL_ACCOUNT,
            aws_secret_access_key="local",  # noqa: S106 - any word does
        )


class LocalAws:
    """An emulator for as long as a block lasts.

    It dies with the process that started it, so enter the block from the main thread.
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` holds its files, buckets and volumes; it is made."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Running:
        """Start it and wait until it answers.

        Raises:
            LocalAwsFailed: it did not come up.
        """
        for _ in range(START_TRIES):
            birth = Birth.of(self._folder)
            self._process = process = birth.tied()
            try:
                came = await asyncio.to_thread(birth.ready, partial(_runs, process))
            except BaseException:
                await asyncio.to_thread(_end, process)
                raise
            if came:
                return Running(self._folder, process.pid, birth.port)
        raise LocalAwsFailed(_why_not(self._folder))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, and with it every task it runs."""
        if self._process is not None:
            await asyncio.to_thread(_end, self._process)


def start_local_aws(folder: Path) -> Running:
    """The emulator that lives in ``folder``, started if it does not run; it outlives this process.

    Raises:
        LocalAwsFailed: it did not come up.
    """
    found = find_local_aws(folder)
    if found is not None:
        return found
    for _ in range(START_TRIES):
        birth = Birth.of(folder)
        pid = birth.kept()
        started = _started(pid)
        if started is None:
            continue
        record = _Record(pid, started, birth.port)
        scratch = folder / f"emulator.{os.getpid()}"
        scratch.write_bytes(msgspec.json.encode(record))
        scratch.replace(folder / RECORD)
        try:
            came = birth.ready(partial(_lives, record))
        except BaseException:
            end_local_aws(folder)
            raise
        if came:
            return Running(folder, pid, birth.port)
    end_local_aws(folder)
    raise LocalAwsFailed(_why_not(folder))


def find_local_aws(folder: Path) -> Running | None:
    """The emulator that ``start_local_aws`` started in ``folder``, or None when none runs there."""
    record = _record(folder)
    if record is None or not _lives(record):
        return None
    return Running(folder, record.pid, record.port)


def end_local_aws(folder: Path) -> bool:
    """End the emulator of ``folder`` with every task it runs; False when none ran."""
    record = _record(folder)
    if record is None:
        return False
    lived = _lives(record)
    if lived:
        _signal(record, signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_S
        while time.monotonic() < deadline and _lives(record):
            time.sleep(0.05)
        _signal(record, signal.SIGKILL)
        # Its Lambdas end by themselves once nobody is left to speak to: a moment later.
        while time.monotonic() < deadline + STOP_GRACE_S and _works_in(folder):
            time.sleep(0.05)
    (folder / RECORD).unlink(missing_ok=True)
    return lived


def _works_in(folder: Path) -> bool:
    """Whether a process runs a file of ``folder``, as the emulator's Lambdas do."""
    inside = f"\0{folder}/".encode()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if inside in command.read_bytes():
                return True
    return False


def _record(folder: Path) -> _Record | None:
    """What ``folder`` says; None when it says nothing that can be read."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=_Record)
    except (OSError, msgspec.DecodeError):
        return None


def _started(pid: int) -> int | None:
    """When the process ``pid`` began, in clock ticks after boot; None when it is not running."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _lives(record: _Record) -> bool:
    return _started(record.pid) == record.started


def _signal(record: _Record, number: signal.Signals) -> None:
    """Signal the recorded process, and no other that has its number by now."""
    if _lives(record):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)


def _runs(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask, wait, then kill."""
    process.terminate()
    try:
        process.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _why_not(folder: Path) -> str:
    try:
        last = (folder / LOG).read_text(errors="replace").strip().splitlines()[-1:]
    except OSError:
        last = []
    return f"the emulator ended at once: {' '.join(last) or 'without a word'} (see {folder})"
