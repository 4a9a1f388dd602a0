"""The actuator's door for other machines: whoever knocks knows that the actuator itself has answered."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from engine.act.far_door import MOST_OF_ONE_MACHINE, knock_far, open_far_door
from engine.signing import Domain, Ed25519Signer, Ed25519Verifier

ACTUATOR, STRANGER = Ed25519Signer.from_seed(bytes(32)), Ed25519Signer.from_seed(bytes([1]) * 32)
VERIFIER = Ed25519Verifier()
Address = tuple[str, int]


def obey(signed: bytes) -> str:
    return "frozen" if signed == b"freeze" else "refused: the signature does not verify"


@pytest.fixture
async def at(unused_tcp_port: int) -> AsyncGenerator[Address]:
    address = ("127.0.0.1", unused_tcp_port)
    async with open_far_door(address, obey, ACTUATOR):
        yield address


async def say(at: Address, line: bytes) -> str:
    reader, writer = await asyncio.open_connection(*at)
    writer.write(line)
    answer = (await reader.readline()).decode().strip()
    writer.close()
    return answer


async def test_a_word_is_obeyed_and_the_answer_is_proven(at: Address) -> None:
    assert await knock_far(at, b"freeze", ACTUATOR.public_key, VERIFIER) == "frozen"
    refused = await knock_far(at, b"anything", ACTUATOR.public_key, VERIFIER)
    assert refused.startswith("refused")


async def test_an_answer_of_somebody_else_is_none(at: Address) -> None:
    with pytest.raises(ConnectionError, match="cannot prove to be the actuator"):
        await knock_far(at, b"freeze", STRANGER.public_key, VERIFIER)


async def test_an_answer_to_another_word_is_none(
    at: Address, unused_tcp_port_factory: Callable[[], int]
) -> None:
    recorded = await say(at, b"freeze".hex().encode() + b"\n")
    other = ("127.0.0.1", unused_tcp_port_factory())

    async def replay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(recorded.encode() + b"\n")
        writer.close()

    async with await asyncio.start_server(replay, *other):
        with pytest.raises(ConnectionError, match="cannot prove"):
            await knock_far(other, b"freeze again", ACTUATOR.public_key, VERIFIER)


async def test_a_refusal_to_nobody_in_particular_frees_nothing(at: Address) -> None:
    proof, _, answer = (await say(at, b"no hexadecimal\n")).partition(" ")

    assert answer == "refused: not a line of hexadecimal"
    assert len(bytes.fromhex(proof)) == 64
    assert not VERIFIER.verify(
        ACTUATOR.public_key, Domain.SUBMISSION, b"frozen", bytes.fromhex(proof)
    )


async def test_a_machine_that_fills_its_places_keeps_no_other_out(at: Address) -> None:
    idle = [await asyncio.open_connection(*at) for _ in range(MOST_OF_ONE_MACHINE)]

    full = await knock_far(at, b"freeze", ACTUATOR.public_key, VERIFIER)
    other = await asyncio.open_connection(*at, local_addr=("127.0.0.2", 0))
    other[1].write(b"freeze".hex().encode() + b"\n")
    answer = (await other[0].readline()).decode().split()[1]

    assert full == "refused: too many at the door; try again"
    assert answer == "frozen"
    for _, writer in (*idle, other):
        writer.close()


async def test_nobody_there_is_an_error(unused_tcp_port: int) -> None:
    with pytest.raises(OSError, match=r"Connect call failed"):
        await knock_far(("127.0.0.1", unused_tcp_port), b"freeze", ACTUATOR.public_key, VERIFIER)
