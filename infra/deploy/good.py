"""The last good assembly: kept on this machine and in the account, so that any machine can go back."""

import os
from collections.abc import Callable

import msgspec

from infra.deploy.assembly import GoodRecord, fetch_good, good_record, send_good
from infra.deploy.cloud import Cloud
from infra.deploy.journal import Line, RunFolder, Shelf, write_whole
from infra.deploy.report import read_report
from infra.deploy.run import (
    AnyEvent,
    Baked,
    Began,
    Checked,
    Kind,
    Planned,
    Preflighted,
    Run,
    Succeeded,
    Synthesised,
)
from infra.target import AwsClient

__all__ = ["Good"]

TOOLKIT = "CDKToolkit"


class Good:
    """What is good in one environment."""

    def __init__(self, cloud: Cloud, shelf: Shelf) -> None:
        self._cloud = cloud
        self._shelf = shelf

    @property
    def bucket(self) -> str:
        """The CDK's bucket in the account; empty before the bootstrap."""
        return self._cloud.outputs([TOOLKIT]).get("BucketName", "")

    @property
    def prefix(self) -> str:
        """Where in the bucket everything of this environment lies."""
        return f"incident-commander/{self._shelf.environment}"

    @property
    def _s3(self) -> AwsClient:
        return self._cloud.client("s3")

    def find(self, target: str, tell: Callable[[str], None]) -> int:
        """The run to go back to, brought here from the account where this machine has it not.

        Raises:
            Malformed: what the account or this machine keeps cannot be used.
            ClientError: the account cannot be asked.
        """
        local = self._shelf.good()
        bucket = self.bucket
        record = good_record(self._s3, bucket, self.prefix) if bucket else None
        if record is None:
            return local
        if local and self._shelf.folder(local).run().assembly == record.assembly:
            return local
        folder = self._shelf.new(at_least=record.run)
        tell(f"bringing the good assembly of run {record.run} from the account")
        fetch_good(self._s3, bucket, self.prefix, record, folder.assembly)
        _adopt(folder, record, self._shelf.environment, target)
        self._shelf.keep(folder.run())
        return folder.number

    def keep(self, run: Run, folder: RunFolder, now_ms: int) -> None:
        """Remember that ``run`` is good, in the account first.

        Raises:
            ClientError: the account does not take it.
            OSError: this machine does not.
        """
        record = GoodRecord(run.number, run.assembly, run.build, now_ms)
        if bucket := self.bucket:
            send_good(self._s3, bucket, self.prefix, folder.assembly, record)
        self._shelf.keep(run)
        # What it took is what the next run is compared with.
        if (report := read_report(self._shelf)) is not None and report.build == run.build:
            write_whole(self._shelf.baseline, msgspec.json.encode(report.measured_ms))

    def forget(self) -> None:
        """Nothing is good any more: everything was destroyed."""
        if bucket := self.bucket:
            self._s3.delete_object(Bucket=bucket, Key=f"{self.prefix}/good.json")
        self._shelf.forget()


def _adopt(folder: RunFolder, record: GoodRecord, environment: str, target: str) -> None:
    """Write the journal of a run that another machine made, as far as it matters here."""
    began = Began(
        number=folder.number,
        kind=Kind.APPLY,
        environment=environment,
        target=target,
        build=record.build,
        needs_approval=False,
        needs_name=False,
        bake_s=0,
    )
    events: list[AnyEvent] = [
        began,
        Preflighted(()),
        Synthesised(record.assembly),
        Planned("", 0, (), 0),
        Succeeded(),
        Checked(()),
        Baked(),
    ]
    for event in events:
        folder.append(Line(record.at_ms, os.getpid(), event))
