"""The event loop with short turns: everybody is served, and the clock is not kept waiting."""

import asyncio
import socket
from contextlib import ExitStack

from engine import turns

CROWD = 10 * turns.SOCKETS_A_TURN


def test_a_crowd_is_served_few_at_a_time_and_nobody_is_left_out() -> None:
    served: list[int] = []
    between: list[int] = []

    async def crowd() -> None:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            pairs = [socket.socketpair() for _ in range(CROWD)]
            for number, (near, far) in enumerate(pairs):
                stack.enter_context(near)
                stack.enter_context(far)
                # Never read: each stays ready for ever.
                loop.add_reader(near, served.append, number)
                far.send(b"x")
            while len(set(served)) < CROWD:
                before = len(served)
                await asyncio.sleep(0)
                between.append(len(served) - before)
            for near, _ in pairs:
                loop.remove_reader(near)

    turns.run(crowd())

    assert max(between) <= turns.SOCKETS_A_TURN
    assert len(served) <= 2 * CROWD


def test_it_starts_processes_connects_and_waits_like_any_other_loop() -> None:
    async def everything() -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x" * 1_000_000)
        writer.write_eof()
        echoed = await reader.read()
        writer.close()
        server.close()
        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        said, _ = await process.communicate(echoed)
        async with asyncio.timeout(5):
            await asyncio.to_thread(len, said)
        return said

    assert turns.run(everything()) == b"x" * 1_000_000
