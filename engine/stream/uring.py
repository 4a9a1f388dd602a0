"""One frame to many sockets by one system call: ``io_uring``, where the kernel lets us use it.

A ``write`` goes into the kernel and out of it for each screen, and through Python on its way there:
an eighth of what it costs to give a screen 4 KiB over loopback. Here a whole list of sends goes that
way once; what is left is TCP.

Sources: io_uring(7), io_uring_setup(2), io_uring_enter(2), io_uring_prep_send(3); the layout and the
numbers are those of ``linux/io_uring.h``.
"""

import ctypes
import errno
import mmap
import os
import socket
import struct
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Literal

AT_ONCE = 128
"""Sends that one call takes: a millisecond, so that the engine's turn is never far."""

_SETUP, _ENTER = 425, 426
_SUBMIT_ALL = 1 << 7
"""A send that fails does not hold up those behind it; kernels before 5.18 refuse the flag."""
_GET_EVENTS = 1
_SEND = 26
_DONT_WAIT = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_ENTRIES_AT = 0x10000000
"""Where in the ring's descriptor its entries are mapped from; the queues are at 0."""
_ENTRY_WORDS, _COMPLETION_WORDS = 16, 4
_PARAMETERS = struct.Struct("=10I8IQ8IQ")
_FLAGS_AT = 8
_WRAP = 0xFFFFFFFF


class Uring:
    """A ring of sends, 13 KiB of memory and three descriptors; used by one thread.

    Nothing is under way between two calls of ``send``: with ``MSG_DONTWAIT`` the kernel does a send,
    or refuses it, while it takes it off the ring. So the frame's memory may go, a descriptor may be
    another's, and as both ends of both queues are this thread's they need no barriers.
    """

    def __init__(self) -> None:
        """Set the ring up.

        Raises:
            OSError: the kernel has none, or does not let this process use it.
        """
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._syscall.argtypes, self._syscall.restype = [ctypes.c_long] * 7, ctypes.c_long
        self._held = ExitStack()
        asked = ctypes.create_string_buffer(_PARAMETERS.size)
        struct.pack_into("=I", asked, _FLAGS_AT, _SUBMIT_ALL)
        self._ring = int(self._syscall(_SETUP, AT_ONCE, ctypes.addressof(asked), 0, 0, 0, 0))
        if self._ring < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._held.callback(os.close, self._ring)
        try:
            self._map(_PARAMETERS.unpack_from(asked))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the ring back."""
        self._held.close()

    def send(self, descriptors: Sequence[int], frame: bytes) -> list[int]:
        """Send ``frame`` to up to ``AT_ONCE`` sockets, waiting for none of them.

        Returns:
            For each, in their order, how many bytes it took, or the negated number of an error, and
            then nothing of the frame has left: ``-EAGAIN`` where the socket is full.
        """
        count, words, first = len(descriptors), self._words, self._words[self._tail]
        assert count <= self._size, "more sends than the ring holds"
        address = ctypes.cast(ctypes.c_char_p(frame), ctypes.c_void_p).value
        # The ring wants the numbers of entries: always the first ones, wherever the ring has come to.
        turn = self._size - first % self._size
        self._order[:] = self._numbers[turn : turn + self._size]
        self._descriptors[:count] = array("i", descriptors)
        self._addresses[:count] = array("Q", (address or 0,)) * count
        self._lengths[:count] = array("I", (len(frame),)) * count
        words[self._tail] = (first + count) & _WRAP
        self._syscall(_ENTER, self._ring, count, count, _GET_EVENTS, 0, 0)
        # What the kernel had no memory for it has left there, and we take back.
        words[self._tail] = words[self._head]
        return self._taken((words[self._head] - first) & _WRAP, count)

    def _taken(self, done: int, count: int) -> list[int]:
        """What became of the ``done`` sends that the kernel took, of ``count``."""
        words, head = self._words, self._words[self._done_head]
        assert (words[self._done_tail] - head) & _WRAP == done, "a send is still under way"
        words[self._done_head] = words[self._done_tail]
        start = head % len(self._results)
        results = self._results[start : start + done].tolist()
        results += self._results[: done - len(results)].tolist()
        if results.count(results[0] if results else 0) == count:
            return results  # All alike, in whatever order they were done.
        numbers = self._whose[start : start + done].tolist()
        numbers += self._whose[: done - len(numbers)].tolist()
        taken = [-errno.EAGAIN] * count
        for number, result in zip(numbers, results, strict=True):
            taken[number] = result
        return taken

    # --- the memory that is shared with the kernel ------------------------------------------------

    def _map(self, given: tuple[int, ...]) -> None:
        """Lay views over it; ``given`` are the fields of ``io_uring_params``."""
        self._size, completions = given[:2]
        self._head, self._tail, order = given[10] // 4, given[11] // 4, given[16] // 4
        self._done_head, self._done_tail, done = given[19] // 4, given[20] // 4, given[24] // 4
        done_end = done + completions * _COMPLETION_WORDS
        queues = self._mapped(4 * max(order + self._size, done_end), 0)
        entries = self._mapped(4 * self._size * _ENTRY_WORDS, _ENTRIES_AT)

        self._words = self._view(queues, "I")
        self._order = self._view(queues, "I", order, order + self._size)
        self._results = self._view(queues, "i", done + 2, done_end, _COMPLETION_WORDS)
        self._whose = self._view(queues, "I", done, done_end, _COMPLETION_WORDS)
        self._descriptors = self._view(entries, "i", 1, step=_ENTRY_WORDS)
        self._addresses = self._view(entries, "Q", 2, step=_ENTRY_WORDS // 2)
        self._lengths = self._view(entries, "I", 6, step=_ENTRY_WORDS)

        numbers = array("I", range(self._size))
        self._numbers = numbers * 2
        self._view(entries, "B", 0, step=4 * _ENTRY_WORDS)[:] = bytes((_SEND,)) * self._size
        self._view(entries, "I", 7, step=_ENTRY_WORDS)[:] = array("I", (_DONT_WAIT,)) * self._size
        self._view(entries, "I", 8, step=_ENTRY_WORDS)[:] = numbers

    def _mapped(self, size: int, offset: int) -> mmap.mmap:
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return self._held.enter_context(mmap.mmap(self._ring, size, flags, offset=offset))

    def _view(
        self,
        memory: mmap.mmap,
        form: Literal["B", "i", "I", "Q"],
        start: int = 0,
        end: int | None = None,
        step: int = 1,
    ) -> memoryview:
        """Items of ``form`` in ``memory``, given back before it is."""
        with memoryview(memory) as whole, whole.cast(form) as items:
            return self._held.enter_context(items[start:end:step])
