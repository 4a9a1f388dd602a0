"""One of the shop's six services, as a process: ``python -m chaos.fleet.service --name cart …``."""

import argparse
import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from chaos.fleet.calls import REQUEST_ID, Caller, CallFailed, Declined
from chaos.fleet.export import export
from chaos.fleet.exposition import CONTENT_TYPE, Histogram, page, sample
from chaos.fleet.logbook import Logbook
from chaos.fleet.releases import Step, step_of
from chaos.fleet.shop.stage import REQUEST_ID_KEY, Stage
from chaos.fleet.spans import TRACEPARENT, Spans, current
from chaos.fleet.wiring import LOOPBACK, read_wiring, wiring_path
from engine.codec import Malformed
from engine.paths import DOOR

CALL_TIMEOUT_S = {"gateway": 2.5, "orders": 1.0}
"""The outer call outlasts the two inner ones, so that the innermost failure is the one reported."""
DRAIN_S = 2.0
"""How long requests in flight may take to finish when the service is told to stop."""


class Meter:
    """What a service counts of itself."""

    def __init__(self, service: str, release: str) -> None:
        """Count for one run of ``service``."""
        self._info = {"service": service, "release": release}
        self._started = time.time()
        self._latency = Histogram()
        self._requests = 0
        self._errors = 0

    def count(self, status: int, seconds: float) -> None:
        """One request was answered."""
        self._requests += 1
        self._errors += status >= 500
        self._latency.observe(seconds)

    def page(self) -> str:
        """The counters as Prometheus text."""
        latency = "service_latency_seconds"
        return page(
            (
                ("service_info", "gauge", [sample("service_info", self._info, 1)]),
                (
                    "process_start_time_seconds",
                    "gauge",
                    [sample("process_start_time_seconds", {}, round(self._started, 3))],
                ),
                (
                    "service_requests_total",
                    "counter",
                    [sample("service_requests_total", {}, self._requests)],
                ),
                (
                    "service_errors_total",
                    "counter",
                    [sample("service_errors_total", {}, self._errors)],
                ),
                (latency, "histogram", self._latency.lines(latency, {})),
            )
        )


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def measured(meter: Meter, spans: Spans, log: Logbook, step: Step) -> Middleware:
    """A middleware: each business request passes the release's step; it is counted, logged, traced."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in ("/health", "/metrics"):
            return await handler(request)
        started, began_ns = time.perf_counter(), time.time_ns()
        span = spans.begin(request.headers.get(TRACEPARENT, ""))
        current.set(span)
        request_id = request.headers.get(REQUEST_ID) or secrets.token_hex(8)
        request[REQUEST_ID_KEY] = request_id
        status = 500
        try:
            step(request_id)
            response = await handler(request)
            status = response.status
        except Declined as error:
            status = 409
            response = web.json_response({"error": str(error)}, status=status)
        except CallFailed as error:
            status = 504 if error.reason == "timed out" else 502
            log.write("warning", "call failed", callee=error.callee, reason=error.reason)
            response = web.json_response({"error": str(error)}, status=status)
        except web.HTTPException as error:
            status = error.status
            raise
        except Exception as error:
            # The edge of the service: whatever its code raises becomes one log line and a 500.
            log.write(
                "error",
                "request failed",
                exception=type(error).__name__,
                detail=str(error),
                method=request.method,
                request_id=request_id,
            )
            response = web.json_response({"error": "internal error"}, status=status)
        finally:
            seconds = time.perf_counter() - started
            meter.count(status, seconds)
            ended_ns = began_ns + round(seconds * 1e9)
            spans.end(span, _route(request), began_ns, ended_ns, error=status >= 500)
        return response

    return middleware


def _route(request: web.Request) -> str:
    """Method and route of a request: a pattern of ours, never what a customer put into it."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource is not None else 'unknown'}"


async def serve(name: str, release: str, fleet: Path, ready_fd: int) -> None:
    """Serve until told to stop.

    Raises:
        Malformed: there is no such release, or no wiring to read.
    """
    step = step_of(name, release)
    if step is None:
        raise Malformed(f"release {release!r} of {name!r} does not exist; see chaos.fleet.releases")
    wiring = read_wiring(wiring_path(fleet))
    log = Logbook(fleet / "logs" / f"{name}.log", name, release)
    meter = Meter(name, release)
    spans = Spans(name, release, random.Random(secrets.randbits(64)))
    caller = Caller(name, wiring, CALL_TIMEOUT_S.get(name, 1.0))
    stage = Stage.of(name, wiring, caller, log)
    application = web.Application(middlewares=[measured(meter, spans, log, step)])

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=meter.page(), headers={"Content-Type": CONTENT_TYPE})

    application.add_routes([web.get("/health", health), web.get("/metrics", metrics)])
    application.add_routes(await stage.open())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, wiring.services[name], reuse_address=True, reuse_port=True)
    await site.start()
    log.write("info", "service started", pid=os.getpid())
    os.write(ready_fd, b"\n")
    os.close(ready_fd)
    exporting = asyncio.create_task(export(spans, fleet / DOOR))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    exporting.cancel()
    await runner.cleanup()
    await stage.close()
    await caller.close()
    log.write("info", "service stopped", pid=os.getpid())
    log.close()


def main() -> None:
    """Run one service of the shop."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--fleet", type=Path, required=True, help="scratch folder of the fleet")
    parser.add_argument("--ready-fd", type=int, required=True, help="gets a byte when serving")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.name, given.release, given.fleet, given.ready_fd))
    except Malformed as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
