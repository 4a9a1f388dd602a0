"""TLS of one connection as bytes in and bytes out: no socket, no event loop (pure).

What asyncio does by itself reserves 256 KiB a connection, and tells nobody of a connection before its
TLS handshake is over: a table of half-open ones would grow unseen. Here a connection counts from its
first byte, and an idle one holds what OpenSSL holds.
"""

import ssl
from contextlib import suppress

from engine.codec import Malformed
from engine.stream.access import Listen

READ_BYTES = 16384
"""Longest plaintext of one record (RFC 8446, section 5.1)."""


def server_context(listen: Listen) -> ssl.SSLContext:
    """What encrypts for everybody who connects to ``listen``.

    Raises:
        Malformed: the certificate or its key cannot be used.
    """
    assert listen.certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Sessions that are taken up again would be kept for each client, to save one handshake an hour.
    context.num_tickets = 0
    try:
        context.load_cert_chain(listen.certificate, listen.key)
    except (OSError, ssl.SSLError) as error:
        raise Malformed(f"{listen.certificate}: cannot serve TLS with it: {error}") from None
    return context


class Tls:
    """The server's end of one encrypted connection."""

    __slots__ = ("_incoming", "_object", "_outgoing", "_ready")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._ready = False

    def opened(self, data: bytes | memoryview) -> bytes:
        """The plaintext in ``data``, which came from the client; maybe none yet.

        Raises:
            ssl.SSLError: it is not TLS, or the client has ended it.
        """
        self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            if not self._ready:
                self._object.do_handshake()
                self._ready = True
            while piece := self._object.read(READ_BYTES):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            if not pieces:
                raise
        return b"".join(pieces)

    def sealed(self, data: bytes) -> bytes:
        """``data`` as bytes for the client, behind whatever the handshake has to say."""
        self._object.write(data)
        return self._outgoing.read()

    def waiting(self) -> bytes:
        """What the handshake, or its failure, has to say."""
        return self._outgoing.read()

    def ended(self) -> bytes:
        """The last word: that nothing was cut off."""
        with suppress(ssl.SSLError):  # The client has not said it yet, and need not.
            self._object.unwrap()
        return self._outgoing.read()
