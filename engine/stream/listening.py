"""The sockets that screens connect to: one on loopback, and one for everybody else, with TLS."""

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from engine.stream.access import Listen
from engine.stream.peer import Peer
from engine.stream.tls import server_context

BACKLOG = 4096
"""Connections that the kernel keeps for us: all screens of a restarted engine come at once."""
ACCEPTED_AT_ONCE = 4
"""Of them, so many are taken before anybody else gets his turn."""


@asynccontextmanager
async def listening(
    listen: Listen, peer: Callable[[ssl.SSLContext | None], Peer], port: int = 0
) -> AsyncGenerator[tuple[str, str]]:
    """Accept connections until the context is left.

    Args:
        listen: where, and with which certificate.
        peer: makes what serves one connection; it is given what encrypts it.
        port: on loopback, where ``listen`` names none.

    Yields:
        The address for this machine, and the one for others; the latter is empty without TLS.

    Raises:
        Malformed: the stream would leave this machine in the clear, or TLS cannot be set up.
    """
    listen.check()
    # Many systems let a process open 1024 files unless it asks for what it may have.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = server_context(listen) if listen.tls else None
    inner, at = await _serve("127.0.0.1", 0 if listen.tls else (port or listen.port), peer, None)
    servers, outside = [inner], ""
    try:
        if context is not None:
            outer, port_outside = await _serve(listen.host, listen.port, peer, context)
            servers.append(outer)
            host = f"[{listen.host}]" if ":" in listen.host else listen.host
            outside = f"wss://{host}:{port_outside}"
        yield f"ws://127.0.0.1:{at}", outside
    finally:
        for server in servers:
            server.close()


async def _serve(
    host: str,
    port: int,
    peer: Callable[[ssl.SSLContext | None], Peer],
    context: ssl.SSLContext | None,
) -> tuple[asyncio.Server, int]:
    """A server there, and the port that it got."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    raw = socket.create_server((host, port), family=family, backlog=BACKLOG)
    server = await asyncio.get_running_loop().create_server(
        lambda: peer(context), sock=raw, backlog=ACCEPTED_AT_ONCE
    )
    raw.listen(BACKLOG)  # The event loop has made it as short as its own turn.
    return server, int(raw.getsockname()[1])
