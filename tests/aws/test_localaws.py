"""The emulator as a process: on loopback only, found again, and ended for certain."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.environments import Environment
from infra.localaws import (
    LocalAws,
    LocalAwsFailed,
    birth,
    end_local_aws,
    find_local_aws,
    start_local_aws,
)
from infra.target import confirm_target
from tests.until import until

pytestmark = pytest.mark.fleet


def listening_addresses(pid: int) -> set[str]:
    """The addresses (hexadecimal, as the kernel writes them) of all sockets that ``pid`` listens on."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    inodes = {str(link.readlink()).removeprefix("socket:[").rstrip("]") for link in links}
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            # 0A: listening; a datagram socket has no such state, so all of them count.
            if fields[9] in inodes and (fields[3] == "0A" or table.startswith("udp")):
                found.add(fields[1].partition(":")[0])
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_answers_on_loopback_only_and_ends_with_its_block(
    tmp_path: Path, local: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    async with LocalAws(tmp_path / "aws") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)

        target = confirm_target(local, boto3.Session())

        assert target.account == local.account
        assert listening_addresses(running.pid) == {"0100007F"}
    assert not alive(running.pid)


async def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, pathlib, sys\n"
        "from infra.localaws import LocalAws\n"
        "async def main():\n"
        "    async with LocalAws(pathlib.Path(sys.argv[1])) as running:\n"
        "        print(running.pid, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, str(tmp_path / "aws")],
        capture_output=True,
        text=True,
        cwd=birth.REPOSITORY,
        check=False,
    )
    pid = int(ended.stdout)

    assert ended.returncode == -9
    await until(lambda: not alive(pid))


def test_a_kept_one_is_found_again_until_it_is_ended(tmp_path: Path) -> None:
    started = start_local_aws(tmp_path)
    try:
        assert start_local_aws(tmp_path) == started
        assert find_local_aws(tmp_path) == started
        assert started.client("sts").get_caller_identity()["Account"] == "123456789012"
    finally:
        assert end_local_aws(tmp_path)
    assert find_local_aws(tmp_path) is None
    assert not end_local_aws(tmp_path)


def test_a_start_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = start_local_aws(tmp_path / "first")
    try:
        monkeypatch.setattr(birth, "_free_port", lambda: taken.port)

        with pytest.raises(LocalAwsFailed, match="Or use a different port"):
            start_local_aws(tmp_path / "second")
    finally:
        end_local_aws(tmp_path / "first")
