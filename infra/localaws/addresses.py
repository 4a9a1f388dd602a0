"""The private net of tasks, for which loopback stands in: each task has an address of its own in 127.0.0.0/8.

Linux answers at all of them without being asked to. So tasks listen on the same ports as they would in
a net of their own, a name of the internal domain stands for an address of loopback, and what a task
would listen on to all of its net is that one address: nothing is reachable from outside. Who may
reach whom, which an account's security groups decide, nobody decides here.
"""

import re
import threading

__all__ = ["Addresses"]

EVERY_INTERFACE = re.compile(r"(?<![0-9.])0\.0\.0\.0(?![0-9.])")
INTERNAL_NAME = re.compile(
    r"(?<![A-Za-z0-9.-])([a-z][a-z0-9-]*)\.[a-z0-9-]+\.internal(?![A-Za-z0-9.-])"
)
MOST = 254


class Addresses:
    """One emulator's part of loopback."""

    def __init__(self, port: int) -> None:
        """``port`` is the emulator's: two of one machine have two, and thus never the same addresses."""
        self._net = f"127.{port >> 8}.{port & 255}"
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> str:
        """The address of the tasks called ``name``: one runs at a time.

        Raises:
            ValueError: there are too many names.
        """
        with self._lock:
            place = self._places.setdefault(name, len(self._places) + 1)
        if place > MOST:
            raise ValueError(f"{name}: no address is left on {self._net}.0")
        return f"{self._net}.{place}"

    def here(self, word: str, task: str) -> str:
        """``word`` of the task called ``task`` with addresses of loopback in it."""
        word = EVERY_INTERFACE.sub(self.of(task), word) if "0.0.0.0" in word else word  # noqa: S104
        return INTERNAL_NAME.sub(lambda found: self.of(found[1]), word)
