"""``main.py token``: tokens for others, from the command to the connection that they open."""

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from engine.codec import Malformed
from engine.paths import RunPaths
from engine.stream.access import Grant, Scope, check
from engine.stream.hub import open_hub
from engine.stream.issued import Issued, read_revoked
from engine.stream.token import load_or_create_token, read_token
from engine.stream.wire import (
    JSON,
    Command,
    Hello,
    Reply,
    Start,
    decode_from_server,
    encode_message,
)

MAIN = Path(__file__).parents[3] / "main.py"


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    paths = RunPaths(tmp_path / "run").make()
    load_or_create_token(paths.stream_token)
    return paths


def _issued(paths: RunPaths) -> Issued:
    return Issued(paths.stream_token, paths.issued_tokens, paths.revoked_tokens)


def _token(paths: RunPaths, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(MAIN), "token", "--run-dir", str(paths.root), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


async def _refuses_all(command: Command) -> Reply:
    return Reply(command.id, False, "nobody is here")


def test_a_token_is_issued_into_a_file_of_its_own_listed_and_revoked(paths: RunPaths) -> None:
    out = paths.root / "alice.token"
    done = _token(paths, "issue", "alice", "--scope", "operator", "--hours", "8", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    token = read_token(out)
    grant = check(read_token(paths.stream_token), token, int(time.time() * 1000))

    assert grant is not None
    assert (grant.scope, grant.name) == (Scope.OPERATOR, "alice")
    assert 7.9 < (grant.expires_ms / 1000 - time.time()) / 3600 <= 8
    assert out.stat().st_mode & 0o777 == 0o600
    assert token not in done.stdout
    assert "valid  alice" in _token(paths, "list").stdout
    assert _token(paths, "revoke", "alice").returncode == 0
    assert "no token was issued" in _token(paths, "list").stdout
    assert grant.id in read_revoked(paths.revoked_tokens)


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("issue", "../alice"), 1, "is no name of a token"),
        (("issue", "alice", "--hours", "0"), 2, "is no number of hours"),
        (("issue", "alice", "--hours", "nan"), 2, "is no number of hours"),
        (("revoke", "bob"), 1, "no token bob was issued"),
        (("issue", "alice", "--out", "/nowhere/at/all"), 1, "No such file"),
    ],
)
def test_a_wrong_wish_gets_one_line(
    paths: RunPaths, words: tuple[str, ...], code: int, complaint: str
) -> None:
    done = _token(paths, *words)

    assert done.returncode == code
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert _issued(paths).all() == []


def test_a_name_is_given_once_and_no_file_is_overwritten(paths: RunPaths) -> None:
    issued = _issued(paths)
    issued.issue(Grant(Scope.VIEWER, "wall"))

    with pytest.raises(Malformed, match="issued already"):
        issued.issue(Grant(Scope.VIEWER, "wall"))
    with pytest.raises(Malformed, match="exists already"):
        issued.issue(Grant(Scope.VIEWER, "other"), paths.stream_token)
    assert [grant.name for grant in issued.all()] == ["wall"]


def test_revoking_forgets_what_is_over_anyway(paths: RunPaths) -> None:
    issued = _issued(paths)
    for name, expires_ms in (("short", 1_000), ("long", 9_000)):
        issued.issue(Grant(Scope.VIEWER, name, expires_ms))
    ids = {grant.name: grant.id for grant in issued.all()}

    issued.revoke("short", 500)
    issued.revoke("long", 2_000)

    assert read_revoked(paths.revoked_tokens) == {ids["long"]: 9_000}


@given(st.binary(max_size=200))
def test_no_bytes_in_the_list_of_the_revoked_do_harm(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("revoked") / "revoked"
    path.write_bytes(data)

    assert all(until >= 0 for until in read_revoked(path).values())


async def test_a_revoked_token_opens_nothing_and_closes_what_it_opened(paths: RunPaths) -> None:
    issued = _issued(paths)
    token = read_token(issued.issue(Grant(Scope.VIEWER, "wall")))
    other = read_token(issued.issue(Grant(Scope.VIEWER, "door")))
    async with open_hub(paths, epoch=1, on_command=_refuses_all) as hub:

        def connecting(shown: str) -> connect:
            return connect(
                hub.address,
                additional_headers={"Authorization": f"Bearer {shown}"},
                subprotocols=[Subprotocol(JSON)],
                proxy=None,
            )

        async with connecting(token) as wall, connecting(other) as door:
            for connection in (wall, door):
                assert isinstance(decode_from_server(await connection.recv()), Hello)
                await connection.send(encode_message(Start()), text=True)
                await connection.recv()
            issued.revoke("wall", 0)
            async with asyncio.timeout(5):
                with suppress(ConnectionClosed):
                    while True:
                        await wall.recv()
            assert (wall.close_code, wall.close_reason) == (4401, "the token was revoked")
            with pytest.raises(InvalidStatus) as caught:
                await connecting(token)
            assert caught.value.response.status_code == 401
            assert hub.clients == 1
