"""The door for freezing answers everyone shortly, and nobody can keep it shut."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from engine.act import door
from engine.act.door import MAX_CALLERS, MAX_LINE_BYTES, knock, open_door

NONSENSE = "refused: not a line of hexadecimal"


class Listener:
    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def __call__(self, signed: bytes) -> str:
        self.heard.append(signed)
        return "frozen"


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def path(tmp_path: Path, listener: Listener) -> AsyncGenerator[Path]:
    async with open_door(tmp_path / "freeze.sock", listener):
        yield tmp_path / "freeze.sock"


async def say(path: Path, data: bytes, *, eof: bool = False) -> str:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(data)
        if eof:
            writer.write_eof()
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


async def test_what_is_said_arrives_and_the_answer_comes_back(
    path: Path, listener: Listener
) -> None:
    assert await knock(path, b"signed word") == "frozen"
    assert listener.heard == [b"signed word"]


@pytest.mark.parametrize("garbage", [b"\n", b"hello\n", b"\xff\xfe\n", b"abc\n"])
async def test_garbage_is_refused_and_not_obeyed(
    path: Path, listener: Listener, garbage: bytes
) -> None:
    answer = await say(path, garbage)

    assert answer == NONSENSE or (garbage == b"\n" and listener.heard == [b""])
    assert b"\xff\xfe" not in listener.heard


async def test_a_line_that_is_too_long_or_cut_off_is_refused(
    path: Path, listener: Listener
) -> None:
    assert await say(path, b"ab" * MAX_LINE_BYTES) == NONSENSE
    assert await say(path, b"abcd", eof=True) == NONSENSE
    assert listener.heard == []


async def test_a_slow_caller_is_sent_away_and_keeps_nobody_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PATIENCE_S", 0.3)
    slow = asyncio.create_task(say(path, b"ab"))

    assert await knock(path, b"quick") == "frozen"
    assert await slow == NONSENSE


async def test_callers_at_once_are_bounded_and_the_door_stays_open(path: Path) -> None:
    idle = [await asyncio.open_unix_connection(path) for _ in range(MAX_CALLERS)]

    assert "too many" in await knock(path, b"one more")

    for _, writer in idle:
        writer.close()
    answers = [await knock(path, b"again") for _ in range(MAX_CALLERS)]
    assert answers[-1] == "frozen"


async def test_a_caller_who_goes_away_harms_nobody(path: Path) -> None:
    _, writer = await asyncio.open_unix_connection(path)
    writer.transport.abort()

    assert await knock(path, b"word") == "frozen"


async def test_only_its_owner_may_knock_and_it_goes_with_its_actuator(
    tmp_path: Path, listener: Listener
) -> None:
    path = tmp_path / "freeze.sock"
    path.write_bytes(b"left by a killed actuator")
    async with open_door(path, listener):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    with pytest.raises(OSError, match="No such file"):
        await knock(path, b"word")


async def test_a_door_opens_however_deep_its_folder_lies(tmp_path: Path) -> None:
    """A socket's name has 108 bytes at most; a state folder may lie deeper."""
    folder = tmp_path.joinpath(*["deep" * 10] * 4)
    folder.mkdir(parents=True)

    async with open_door(folder / "freeze.sock", lambda _: "frozen"):
        assert (folder / "freeze.sock").stat().st_mode & 0o777 == 0o600
        assert await knock(folder / "freeze.sock", b"word") == "frozen"
    assert not (folder / "freeze.sock").exists()
