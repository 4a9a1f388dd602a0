"""Where the output of the fleet's processes goes."""

import asyncio
import os
from pathlib import Path

from chaos.fleet.logbook import Logbook


def open_output(path: Path) -> int:
    """A descriptor that appends to ``path``."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


class StoreLines:
    """Turns the plain lines that a store writes into lines of its log."""

    def __init__(self, log: Logbook) -> None:
        """Write to ``log``."""
        self._log = log
        self._rest = b""

    @classmethod
    def attach(cls, log: Logbook) -> int:
        """A descriptor whose lines go to ``log``; the caller closes it."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        lines = cls(log)
        asyncio.get_running_loop().add_reader(read_end, lines.readable, read_end)
        return write_end

    def readable(self, descriptor: int) -> None:
        """Take what has been written, up to the last whole line."""
        try:
            data = os.read(descriptor, 65_536)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
            self._log.close()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-4_096:]
        for line in lines:
            self._write(line.decode(errors="replace").strip())

    def _write(self, line: str) -> None:
        if not line:
            return
        word, _, text = line.partition(":")
        level = {
            "ERROR": "error",
            "FATAL": "error",
            "PANIC": "critical",
            "WARNING": "warning",
        }.get(word, "info")
        self._log.write(level, (text if word.isupper() and text else line).strip()[:400])
