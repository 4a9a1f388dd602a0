"""One deployment at a time in an account, whatever machine it comes from.

An object in the CDK's bucket, written only if it is not there (S3, ``If-None-Match: *``), renewed
while the run lives, and taken over by its ETag (``If-Match``) when it was not renewed for a while.
Time is S3's own (``Date`` against ``LastModified``), so clocks that differ do no harm.
"""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.local_lock import Held, Holder, in_words, read_holder
from infra.target import AwsClient

__all__ = ["AccountLock"]

STALE_S = 90.0
RENEW_S = 20.0


class AccountLock:
    """The lock of one environment in its account.

    ``lost`` is set when it could not be renewed and somebody else may have it: whoever holds it
    begins nothing new then.
    """

    def __init__(
        self,
        s3: AwsClient,
        bucket: str,
        key: str,
        holder: Holder,
        *,
        stale_s: float | None = None,
        renew_s: float = RENEW_S,
    ) -> None:
        self._stale_s = STALE_S if stale_s is None else stale_s
        self._renew_s = renew_s
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
        if age_s is not None and age_s < self._stale_s and not self._is_ours_and_dead(holder):
            raise Held(
                f"somebody else deploys it: {in_words(holder) if holder else 'unknown'}; "
                f"heard {age_s:.0f} s ago, it counts as dead after {self._stale_s:.0f}"
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

    def _is_ours_and_dead(self, holder: Holder | None) -> bool:
        """Whether it was left by a process of this machine and user that is no more."""
        if holder is None or holder.who != self._holder.who or holder.pid == os.getpid():
            return False
        return not Path(f"/proc/{holder.pid}").exists()

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
            read_holder(found["Body"].read()),
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
        while not self._over.wait(self._renew_s):
            try:
                self._put(IfMatch=self._etag)
                failed_s = 0.0
            except (ClientError, BotoCoreError) as error:
                failed_s += self._renew_s
                if failed_s >= self._stale_s or (
                    isinstance(error, ClientError) and _refused(error)
                ):
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
