"""Collects one agent's own telemetry: a thin shell around the parsers and the window.

Once a period, at the agent's own phase, everything is asked for at once over kept-alive
connections, each question with a time-out, and what came of it goes into the window; so five
agents see the same fleet at five different moments. A question without an answer is written down
as one, never as silence. What services say of themselves changes rarely and is asked for rarely.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp

from engine.clock import Clock
from engine.telemetry.logs import Tail, TemplateCounter
from engine.telemetry.pages import links_in, service_in, status_in
from engine.telemetry.prometheus import MAX_PAGE_BYTES, Page, TextReader
from engine.telemetry.samples import (
    LINK_METRICS,
    SERVICE_METRICS,
    HealthAnswer,
    HealthSeen,
    LogSeen,
    Missed,
    Observation,
    StatusSeen,
)
from engine.telemetry.window import Window
from engine.topology import Endpoints, Manifest
from engine.vocabulary import ServiceName

TIMEOUT_SHARE = 0.8
"""A question may take this share of the period, so that one round is over before the next."""
METRICS_EVERY = 5
"""Rounds between two looks at a service's own page."""


class Collector:
    """Fills ``window`` from a running fleet until it is cancelled.

    ``phase_ms`` is the agent's own place within the period. A collector serves one ``run``.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        manifest: Manifest,
        window: Window,
        clock: Clock,
        phase_ms: int,
        period_ms: int = 1000,
        on_seen: Callable[[Observation], None] | None = None,
    ) -> None:
        """Fill ``window``, and show ``on_seen`` everything too."""
        self.rounds = 0
        self.lines_dropped = 0
        """Lines of pages that could not be read."""
        self._endpoints = endpoints
        self._window = window
        self._on_seen = on_seen
        self._clock = clock
        self._phase_ms = phase_ms % period_ms
        self._period_ms = period_ms
        self._latency_ms = manifest.objective.latency_ms
        self._links = TextReader(LINK_METRICS)
        # Endpoints are written by the fleet: what the manifest does not know is never asked.
        known = [(n, e) for n, e in endpoints.services.items() if manifest.spec(n) is not None]
        window.unknown_dropped += len(endpoints.services) - len(known)
        self._services = dict(known)
        self._pages = {name: TextReader(SERVICE_METRICS) for name, _ in known}
        self._tails = {name: Tail(Path(at.log)) for name, at in known if at.log}
        self._templates = {name: TemplateCounter() for name in self._tails}

    @property
    def log_lines_dropped(self) -> int:
        """Log lines that were too long, unreadable, one template too many, or lost in between."""
        return sum(tail.dropped for tail in self._tails.values()) + sum(
            counter.unreadable + counter.overflowed for counter in self._templates.values()
        )

    async def run(self) -> None:
        """Collect, round after round, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._period_ms * TIMEOUT_SHARE / 1_000)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=64), auto_decompress=False
        ) as session:
            while True:
                await asyncio.sleep(self._until_next_s())
                await self.collect(session)

    def _until_next_s(self) -> float:
        """Seconds to the next moment of our own phase; on the monotonic clock, which never jumps."""
        now_ms = self._clock.monotonic_ns() / 1_000_000
        # Half a millisecond more, lest a timer that fires early gives two rounds in one period.
        return (self._period_ms - (now_ms - self._phase_ms) % self._period_ms + 0.5) / 1_000

    async def collect(self, session: aiohttp.ClientSession) -> None:
        """One round: ask everything at once, and write down what came of it."""
        self._read_logs()
        round_number, self.rounds = self.rounds, self.rounds + 1
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask_status(session))
            for url in self._endpoints.links:
                tasks.create_task(self._ask_links(session, url))
            for place, (name, at) in enumerate(self._services.items()):
                if at.health:
                    tasks.create_task(self._ask_health(session, name, at.health))
                if at.metrics and (round_number + place) % METRICS_EVERY == 0:
                    tasks.create_task(self._ask_service(session, name, at.metrics))

    def _see(self, seen: Observation) -> None:
        self._window.add(seen)
        if self._on_seen is not None:
            self._on_seen(seen)

    # --- one question each --------------------------------------------------------------------

    async def _ask_status(self, session: aiohttp.ClientSession) -> None:
        body = await _get(session, self._endpoints.status)
        status = None if body is None else status_in(body)
        at_ms = self._clock.unix_ms()
        self._see(Missed(at_ms, "status") if status is None else StatusSeen(at_ms, status))

    async def _ask_links(self, session: aiohttp.ClientSession, url: str) -> None:
        page = self._page(await _get(session, url), self._links)
        at_ms = self._clock.unix_ms()
        if page is None:
            self._see(Missed(at_ms, "links"))
            return
        for seen in links_in(page, at_ms, self._latency_ms):
            self._see(seen)

    async def _ask_service(
        self, session: aiohttp.ClientSession, name: ServiceName, url: str
    ) -> None:
        page = self._page(await _get(session, url), self._pages[name])
        at_ms = self._clock.unix_ms()
        seen = None if page is None else service_in(page, at_ms, name)
        self._see(Missed(at_ms, "metrics") if seen is None else seen)

    def _page(self, body: bytes | None, reader: TextReader) -> Page | None:
        if body is None:
            return None
        page = reader.read(body)
        self.lines_dropped += page.dropped
        return page

    async def _ask_health(
        self, session: aiohttp.ClientSession, name: ServiceName, url: str
    ) -> None:
        answer = await _health(session, url)
        self._see(HealthSeen(self._clock.unix_ms(), name, answer))

    def _read_logs(self) -> None:
        """Logs lie on this machine's disk, cached: read at once, without a thread."""
        at_ms = self._clock.unix_ms()
        for name, tail in self._tails.items():
            counter = self._templates[name]
            for line in tail.poll():
                counter.count(line)
            for (level, template), count in counter.take().items():
                self._see(LogSeen(at_ms, name, level, template, count))


async def _get(session: aiohttp.ClientSession, url: str) -> bytes | None:
    """The body of a 200 answer of bearable size; None when there is none in time."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                return None
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_PAGE_BYTES:
                    return None
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


async def _health(session: aiohttp.ClientSession, url: str) -> HealthAnswer:
    try:
        async with session.get(url, allow_redirects=False) as response:
            return HealthAnswer.WELL if response.status == 200 else HealthAnswer.UNWELL
    except TimeoutError:
        return HealthAnswer.SILENT
    except (aiohttp.ClientError, OSError):
        return HealthAnswer.REFUSED
