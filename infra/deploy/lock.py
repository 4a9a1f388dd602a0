"""One deployment at a time: a lock on this machine, and one in the account for all machines.

The local one is a ``flock``: the kernel lets go of it when its holder dies. The one in the account
is an object in the CDK's bucket, written only if it is not there (S3, ``If-None-Match: *``), renewed
while the run lives, and taken over, by its ETag (``If-Match``), when it was not renewed for a while.
Time is S3's own (``Date`` against ``LastModified``), so clocks that differ do no harm.
"""

import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from infra.target import AwsClient

__all__ = ["AccountLock", "Held", "Holder", "local_lock"]

STALE_S = 90.0
RENEW_S = 20.0


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
        return _read(path.read_bytes())
    else:
        return None
    finally:
        os.close(descriptor)


def _told(path: Path) -> str:
    try:
        holder = _read(path.read_bytes())
    except OSError:
        holder = None
    return in_words(holder) if holder else "it has not said who it is"


def _read(data: bytes) -> Holder | None:
    try:
        return msgspec.json.decode(data, type=Holder)
    except msgspec.DecodeError:
        return None


def in_words(holder: Holder) -> str:
    """Who, which process and which run."""
    return f"{holder.who}, pid {holder.pid}, run {holder.run}"


class AccountLock:
    """The lock of one environment in its account.

    ``lost`` is set when it could not be renewed and somebody else may have it: whoever holds it
    begins nothing new then.
    """

    def __init__(self, s3: AwsClient, bucket: str, key: str, holder: Holder) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._holder = holder
        self._etag = ""
        self._over = threading.Event()
        self.lost = threading.Event()

    @contextmanager
    def held(self) -> Generator["AccountLock"]:
        """Hold it for as long as the block lasts, renewed by a thread.

        Raises:
            Held: somebody else has it.
            ClientError: the bucket cannot be written.
        """
        self._acquire()
        renewer = threading.Thread(target=self._renew, name="lock", daemon=True)
        renewer.start()
        try:
            yield self
        finally:
            self._over.set()
            renewer.join()
            self._release()

    def _acquire(self) -> None:
        try:
            self._put(IfNoneMatch="*")
        except ClientError as error:
            if not _refused(error):
                raise
        else:
            return
        holder, etag, age_s = self._look()
        if age_s is not None and age_s < STALE_S:
            raise Held(
                f"somebody else deploys it: {in_words(holder) if holder else 'unknown'}; "
                f"heard {age_s:.0f} s ago, it counts as dead after {STALE_S:.0f}"
            )
        try:
            if etag:
                self._put(IfMatch=etag)
            else:
                self._put(IfNoneMatch="*")
        except ClientError as error:
            if _refused(error):
                raise Held("somebody else took a deserted lock a moment ago") from None
            raise

    def _look(self) -> tuple[Holder | None, str, float | None]:
        """Who holds it, its ETag and how long ago it was renewed; nobody: None and an empty ETag."""
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None, "", None
            raise
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        return (
            _read(found["Body"].read()),
            found["ETag"],
            (now - found["LastModified"]).total_seconds(),
        )

    def _put(self, **condition: str) -> None:
        self._holder = msgspec.structs.replace(self._holder, beat=self._holder.beat + 1)
        body = msgspec.json.encode(self._holder)
        answer = self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=body, **condition)
        self._etag = answer["ETag"]

    def _renew(self) -> None:
        failed_s = 0.0
        while not self._over.wait(RENEW_S):
            try:
                self._put(IfMatch=self._etag)
                failed_s = 0.0
            except (ClientError, BotoCoreError) as error:
                failed_s += RENEW_S
                if failed_s >= STALE_S or (isinstance(error, ClientError) and _refused(error)):
                    self.lost.set()
                    return

    def _release(self) -> None:
        if self.lost.is_set():
            return
        try:
            _, etag, _ = self._look()
            if etag == self._etag:
                self._s3.delete_object(Bucket=self._bucket, Key=self._key)
        except (ClientError, BotoCoreError):
            # It counts as dead in a minute and a half.
            return


def _refused(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in (
        "PreconditionFailed",
        "ConditionalRequestConflict",
        "412",
        "409",
    )
