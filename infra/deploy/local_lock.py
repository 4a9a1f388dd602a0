"""One deployment at a time on this machine: a ``flock``, which the kernel lets go of for the dead."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

__all__ = ["Held", "Holder", "holder_of", "in_words", "local_lock", "read_holder"]


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock."""

    who: str
    """``user@host``, for people."""
    pid: int
    run: int
    since_ms: int
    beat: int = 0
    """Counts its renewals, so that no two of them have the same ETag."""


class Held(Exception):
    """Somebody else deploys this environment; the message says who and since when."""


@contextmanager
def local_lock(path: Path, holder: Holder) -> Generator[None]:
    """Hold the lock of this machine for as long as the block lasts.

    Raises:
        Held: another process of this machine has it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(f"another deployment runs on this machine: {_told(path)}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(holder), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock of this machine now; None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(path.read_bytes())
    else:
        return None
    finally:
        os.close(descriptor)


def _told(path: Path) -> str:
    try:
        holder = read_holder(path.read_bytes())
    except OSError:
        holder = None
    return in_words(holder) if holder else "it has not said who it is"


def read_holder(data: bytes) -> Holder | None:
    """Who wrote ``data`` into a lock; None when it says nothing."""
    try:
        return msgspec.json.decode(data, type=Holder)
    except msgspec.DecodeError:
        return None


def in_words(holder: Holder) -> str:
    """Who, which process and which run."""
    return f"{holder.who}, pid {holder.pid}, run {holder.run}"
