"""One process at a time for one folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.alone import stay_alone
from engine.codec import Malformed

HOLD = "import fcntl,os,sys; f=os.open(sys.argv[1],os.O_RDWR|os.O_CREAT); fcntl.flock(f,2); print(1,flush=True); input()"


def holder(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


async def test_who_comes_second_is_refused_or_waits_until_the_first_is_gone(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        with pytest.raises(Malformed, match="another actuator is alive; end it first"):
            await stay_alone(tmp_path, "actuator")
        first.kill()

        await stay_alone(tmp_path, "actuator", 10.0)

    with pytest.raises(Malformed, match="another agent is alive"):
        await stay_alone(tmp_path, "agent")
