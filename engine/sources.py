"""All that one process hears of a fleet that is not a rehearsal's: its settings, put to work (a shell).

Every agent has sources of its own, as it has eyes of its own: what listens, listens on a port of its
own, and what asks, asks at a moment of its own. Whatever comes in goes through one bounded intake,
becomes observations, and ends in the window and perhaps on a tape.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.clock import Clock
from engine.paths import RunPaths
from engine.settings import Settings
from engine.stream.access import Listen
from engine.stream.token import load_or_create_token
from engine.telemetry.doors import log_lines
from engine.telemetry.doors.intake import Intake
from engine.telemetry.doors.listener import open_doors
from engine.telemetry.doors.prometheus_api import PrometheusQueries
from engine.telemetry.logs import Tail, TemplateCounter
from engine.telemetry.records import Alert, Batch, Kind, LogRecord, Point, Record, Span
from engine.telemetry.samples import AlertSeen, LevelSeen, LogSeen, Observation
from engine.topology import MAX_SERVICES

DRAIN_EVERY_S = 0.25


class Sources:
    """Everything that one process listens to and asks."""

    def __init__(
        self,
        settings: Settings,
        paths: RunPaths,
        place: int,
        process: str,
        see: Callable[[Observation], None],
        clock: Clock,
        keep: Callable[[Sequence[Point | LogRecord | Span], int], None] | None = None,
    ) -> None:
        """``process`` names who listens; its ``place`` among all tells ports and moments apart."""
        self.intake = Intake()
        self._settings = settings
        self._paths = paths
        self._place = place
        self._process = process
        self._see = see
        self._keep = keep
        self._clock = clock
        self._rng = random.Random(place)
        self._bounds = {(bound.service, bound.metric): bound for bound in settings.limit}
        self._templates: dict[str, TemplateCounter] = {}
        self._tails = [(log, Tail(Path(log.path))) for log in settings.log]

    async def run(self) -> None:
        """Listen and ask until cancelled.

        Raises:
            Malformed: a door would show its token to a network, or a token file is wrong.
            OSError: a port is taken.
        """
        settings = self._settings
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._drain())
            for server in settings.prometheus:
                queries = PrometheusQueries(server, self.intake, self._clock)
                tasks.create_task(queries.run())
            if settings.doors is not None:
                tasks.create_task(self._listen())
            if settings.cloudwatch is not None or settings.resources:
                self._watch_aws(tasks)

    async def _listen(self) -> None:
        doors = self._settings.doors
        assert doors is not None
        listen = Listen(
            doors.host,
            doors.port + self._place if doors.port else 0,
            Path(doors.certificate) if doors.certificate else None,
            Path(doors.key) if doors.key else None,
            doors.names,
        )
        token = load_or_create_token(self._paths.door_token)
        async with open_doors(self.intake, token, listen, self._clock):
            await asyncio.Event().wait()

    def _watch_aws(self, tasks: asyncio.TaskGroup) -> None:
        # boto3 takes half a second to import: only for those who need it.
        from engine.aws.clients import client
        from engine.telemetry.doors.aws_status import AwsStatus
        from engine.telemetry.doors.cloudwatch_source import CloudWatch

        settings, rng = self._settings, self._rng
        if settings.cloudwatch is not None:
            watch = CloudWatch(
                settings.cloudwatch, client, self.intake, self._clock, rng, self._process
            )
            tasks.create_task(watch.run())
        if settings.resources:
            status = AwsStatus(settings.resources, client, self._see, self._clock, rng)
            tasks.create_task(status.run())

    # --- from records to observations -------------------------------------------------------------

    async def _drain(self) -> None:
        while True:
            self._read_logs()
            records = self.intake.take()
            now_ms = self._clock.unix_ms()
            for seen in self.observations(records, now_ms):
                self._see(seen)
            if self._keep is not None:
                # Of log lines only their templates are kept, with what ``see`` sees.
                self._keep([r for r in records if isinstance(r, Point | Span)], now_ms)
            await asyncio.sleep(DRAIN_EVERY_S)

    def _read_logs(self) -> None:
        now_s = self._clock.unix_ms() / 1_000
        for log, tail in self._tails:
            read = [log_lines.read(line, log.format, log.service, now_s) for line in tail.poll()]
            lines = tuple(record for record in read if record is not None)
            if lines:
                self.intake.offer(Batch(lines, len(read) - len(lines)))

    def observations(self, records: Sequence[Record], now_ms: int) -> list[Observation]:
        """What a window makes of ``records``: alerts, log lines as templates, levels as shares."""
        found: list[Observation] = []
        for record in records:
            if isinstance(record, Alert):
                at_ms = round(record.t * 1_000)
                found.append(AlertSeen(at_ms, record.service, record.fingerprint, record.firing))
            elif isinstance(record, Point):
                bound = self._bounds.get((record.service, record.metric))
                if bound is not None and record.kind is Kind.GAUGE:
                    share = record.value / bound.limit
                    at_ms = round(record.t * 1_000)
                    found.append(LevelSeen(at_ms, record.service, bound.kind, share))
            elif isinstance(record, LogRecord):
                counter = self._templates.get(record.service)
                if counter is None and len(self._templates) < MAX_SERVICES:
                    counter = self._templates.setdefault(record.service, TemplateCounter())
                if counter is not None:
                    counter.add(record.severity, record.body)
        for service, counter in self._templates.items():
            for (level, template), count in counter.take().items():
                found.append(LogSeen(now_ms, service, level, template, count))
        return found
