"""How one frame gets to many sockets: all at once where the kernel does that, else one by one."""

import errno
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

from engine.stream.uring import Uring


class Sending(Protocol):
    """A way to get one frame to many sockets, none of which speaks TLS."""

    def send(self, descriptors: Sequence[int], frame: bytes) -> list[int]:
        """Send ``frame`` to up to ``engine.stream.uring.AT_ONCE`` sockets, waiting for none of them.

        Returns:
            For each, in their order, how many bytes it took, or the negated number of an error, and
            then nothing of the frame has left: ``-EAGAIN`` where the socket is full.
        """
        ...


class OneByOne:
    """A ``write`` for each."""

    def send(self, descriptors: Sequence[int], frame: bytes) -> list[int]:
        """As ``Sending`` says."""
        taken, write = [], os.write
        for descriptor in descriptors:
            try:
                taken.append(write(descriptor, frame))
            except OSError as error:
                taken.append(-(error.errno or errno.EIO))
        return taken


@contextmanager
def sending(ring_of: Callable[[], Uring] = Uring) -> Generator[Sending]:
    """The cheapest way there is here; containers, for one, often forbid ``io_uring``."""
    try:
        ring = ring_of()
    except OSError:
        yield OneByOne()
        return
    try:
        yield ring
    finally:
        ring.close()
