"""Asks CloudWatch for metrics and logs, and takes alarms from a queue (a shell around a core).

Alarms are taken off the queue only when the intake has them: a crash in between brings them again,
and an alert that comes twice says the same thing. Metrics and logs continue where the last answer
ended, and look back far enough for what CloudWatch delivers late.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from engine.aws.aside import aside
from engine.aws.circuit import Circuit
from engine.aws.clients import AWS_ERRORS, Client, code_of
from engine.clock import Clock
from engine.codec import Malformed
from engine.telemetry.doors.cloudwatch import (
    MAX_QUERIES,
    alarm_in,
    alerts_in,
    lines_in,
    points_in,
    queries,
)
from engine.telemetry.doors.cloudwatch_settings import LogGroup, Metric, Settings
from engine.telemetry.doors.intake import Intake
from engine.telemetry.records import Alert, Batch

MAX_BACK_S = 600.0
"""After an outage at most this much is asked for at once."""
LATE_S = 60.0
"""CloudWatch's log events may become visible this much after their time."""
MAX_PAGES = 20
"""Pages of one answer; what lies beyond is asked for next time."""
MAX_SEEN = 10_000
"""Log events remembered, so that looking back over late ones counts none twice."""
LONG_POLL_S = 5
MAX_MESSAGES = 10


class CloudWatch:
    """One account's telemetry on its way into ``intake``."""

    def __init__(
        self,
        settings: Settings,
        client: Callable[[str], Client],
        intake: Intake,
        clock: Clock,
        rng: random.Random,
        process: str,
    ) -> None:
        """``process`` names the queue of its own that this reader takes alarms from."""
        self.circuits = {name: Circuit() for name in ("metrics", "logs", "alarms", "states")}
        self.malformed = 0
        """Messages on the queue that were no alarms; they are taken off, or they come for ever."""
        self._settings = settings
        self._queue = settings.alarm_queue.replace("{process}", process)
        self._client = client
        self._intake = intake
        self._clock = clock
        self._rng = rng
        self._metrics_to_s = 0.0
        self._logs_to_s = dict.fromkeys(settings.log, 0.0)
        self._seen: dict[str, None] = {}

    async def run(self) -> None:
        """Ask and listen until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._settings.metric:
                tasks.create_task(self._again("metrics", "cloudwatch", self.metrics))
            if self._settings.log:
                tasks.create_task(self._again("logs", "logs", self.logs))
            if self._settings.alarm_queue:
                tasks.create_task(self._again("alarms", "sqs", self.alarms, pause_s=0.0))
                states_s = self._settings.states_s
                tasks.create_task(self._again("states", "cloudwatch", self.states, states_s))

    async def _again(
        self,
        what: str,
        service: str,
        ask: Callable[[Client], Awaitable[None]],
        pause_s: float | None = None,
    ) -> None:
        """Ask again and again, as often as the circuit allows."""
        circuit = self.circuits[what]
        client = await aside(self._client, service)
        pause_s = self._settings.poll_s if pause_s is None else pause_s
        while True:
            if not circuit.may_ask(self._now_s()):
                await asyncio.sleep(max(0.01, circuit.wait_s(self._now_s())))
                continue
            try:
                await ask(client)
                circuit.answered()
            except AWS_ERRORS as error:
                why = f"{code_of(error)}: {error}"
                circuit.failed(self._now_s(), self._rng.random(), why)
                continue
            await asyncio.sleep(pause_s)

    async def metrics(self, client: Client) -> None:
        """Ask for all metrics since the last answer."""
        period = self._settings.period_s
        end = self._clock.unix_ms() / 1_000 // period * period
        begin = max(self._metrics_to_s, end - MAX_BACK_S)
        if begin >= end:
            return
        whole = self._settings.metric
        for first in range(0, len(whole), MAX_QUERIES):
            part = whole[first : first + MAX_QUERIES]
            results = await aside(self._results, client, part, begin, end)
            await self._offer(points_in(results, part))
        self._metrics_to_s = end

    def _results(
        self, client: Client, part: tuple[Metric, ...], begin: float, end: float
    ) -> list[dict[str, Any]]:
        asked = {
            "MetricDataQueries": queries(part, self._settings.period_s),
            "StartTime": datetime.fromtimestamp(begin, UTC),
            "EndTime": datetime.fromtimestamp(end, UTC),
            "ScanBy": "TimestampAscending",
        }
        return _pages(client.get_metric_data, asked, "MetricDataResults", "NextToken")[0]

    async def logs(self, client: Client) -> None:
        """Ask for the events of all groups since the last answer, and for late ones once more."""
        now = self._clock.unix_ms() / 1_000
        for group, until in self._logs_to_s.items():
            begin = max(until - LATE_S, now - MAX_BACK_S)
            asked = {
                "logGroupName": group.group,
                "startTime": int(begin * 1_000),
                "endTime": int(now * 1_000),
            }
            events, whole = await aside(
                _pages, client.filter_log_events, asked, "events", "nextToken"
            )
            fresh = [event for event in events if self._is_new(group, event)]
            await self._offer(lines_in(fresh, group))
            newest = max((event["timestamp"] / 1_000 for event in events), default=begin)
            self._logs_to_s[group] = now if whole else newest

    def _is_new(self, group: LogGroup, event: dict[str, Any]) -> bool:
        key = f"{group.group}/{event.get('eventId')}"
        if key in self._seen:
            return False
        if len(self._seen) >= MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = None
        return True

    async def states(self, client: Client) -> None:
        """Look at the states of all alarms."""
        found, _ = await aside(_pages, client.describe_alarms, {}, "MetricAlarms", "NextToken")
        settings = self._settings
        await self._offer(alerts_in(found, settings.alarm_services, settings.alarm_dimension))

    async def alarms(self, client: Client) -> None:
        """Take the next alarms off the queue; waits for some."""
        queue = self._queue
        found = await aside(
            client.receive_message,
            QueueUrl=queue,
            MaxNumberOfMessages=MAX_MESSAGES,
            WaitTimeSeconds=LONG_POLL_S,
        )
        for message in found.get("Messages", ()):
            alert = self._alert(str(message.get("Body", "")))
            if alert is not None:
                await self._offer(Batch((alert,)))
            await asyncio.to_thread(
                client.delete_message, QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"]
            )

    def _alert(self, body: str) -> Alert | None:
        settings = self._settings
        try:
            return alarm_in(body, settings.alarm_services, settings.alarm_dimension)
        except Malformed:
            self.malformed += 1
            return None

    async def _offer(self, batch: Batch) -> None:
        """Hand ``batch`` over; waits while too much is waiting already."""
        # The intake is a value without an event loop, and a tenth of a second is no hurry here.
        while not self._intake.offer(batch):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9


def _pages(
    ask: Callable[..., dict[str, Any]], asked: dict[str, Any], rows: str, following: str
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of an answer's pages, up to ``MAX_PAGES``, and whether that was all of them."""
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    for _ in range(MAX_PAGES):
        page = ask(**asked, **more)
        found += page.get(rows, ())
        if not page.get(following):
            return found, True
        more = {following: page[following]}
    return found, False
