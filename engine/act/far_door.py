"""The actuator's door for callers on other machines: the same words as at its socket, over TCP.

What mode 0600 gave at the socket is given here by signatures. Only an operator's word is obeyed, as
there. Whoever knocks must know that it was the actuator who said ``frozen``, so it signs each answer
together with what it answers. And whoever has heard a freeze in the log may not say it again after it was
thawed: the journal remembers (``engine.act.journal``). Neither quorum nor bus nor engine is needed.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from engine.act.door import MAX_LINE_BYTES, PATIENCE_S, attendant
from engine.codec import digest_of
from engine.signing import Domain, Signer, Verifier

__all__ = ["MOST_OF_ONE_MACHINE", "knock_far", "open_far_door"]

Address = tuple[str, int]
MOST_OF_ONE_MACHINE = 4
"""Connections at once: an agent that fills its own keeps no operator out."""


@asynccontextmanager
async def open_far_door(
    at: Address, obey: Callable[[bytes], str], signer: Signer
) -> AsyncGenerator[None]:
    """Answer requests at the address ``at`` with what ``obey`` says of their bytes, signed."""

    def say(request: bytes, answer: str) -> bytes:
        signature = signer.sign(Domain.ANSWER, _answered(request, answer))
        return f"{signature.hex()} {answer}".encode()

    server = await asyncio.start_server(
        attendant(obey, say, MOST_OF_ONE_MACHINE), *at, limit=MAX_LINE_BYTES
    )
    async with server:
        yield


async def knock_far(at: Address, signed: bytes, public_key: bytes, verifier: Verifier) -> str:
    """Send an encoded ``Signed`` freeze or thaw to the actuator of ``public_key``; returns its answer.

    Raises:
        OSError: nobody is there, or who answers is not that actuator.
        TimeoutError: no answer came.
    """
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(*at, limit=MAX_LINE_BYTES)
        try:
            writer.write(signed.hex().encode() + b"\n")
            await writer.drain()
            line = (await reader.readline()).decode(errors="replace").strip()
        except ValueError:
            line = ""
        finally:
            writer.close()
    signature, _, answer = line.partition(" ")
    try:
        proof = bytes.fromhex(signature)
    except ValueError:
        proof = b""
    # A refusal before the request was read answers nothing in particular.
    for request in (signed, b""):
        proven = verifier.verify(public_key, Domain.ANSWER, _answered(request, answer), proof)
        if proven and (request or answer.startswith("refused")):
            return answer
    raise ConnectionError("who answers at the actuator's door cannot prove to be the actuator")


def _answered(request: bytes, answer: str) -> bytes:
    return digest_of("answer", request, answer.encode())
