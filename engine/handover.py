"""Telling people: what the swarm cannot mend, and that it cannot look any more.

Through a command or a webhook that the policy names, so that nobody has to sit before a screen.
Each alarm has a name and is told once: what came of it is on disk. When the engine dies while it
tells, it tells again, under the same name: twice is better than never.
"""

import asyncio
import http.client
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from engine.council import Council, IncidentStatus
from engine.genesis import Genesis
from engine.policy import Handover
from engine.supervisor import dying_with
from engine.vocabulary import FaultKind, ServiceName

DEAD_MAN_MS = 15_000
"""So long without a quorum or without telemetry: then people must know."""
TRIES = 3
BETWEEN_S = 1.0
MAX_KEPT = 256
"""Names of alarms remembered; older incidents are long closed."""

log = structlog.get_logger()


class Alarm(msgspec.Struct, frozen=True):
    """What people are told, as JSON: typed values, no text from any telemetry."""

    id: str
    """Names this alarm for ever: whoever hears it twice can know."""
    kind: Literal["handed-over", "dead-man", "violated"]
    why: str
    incident: str = ""
    attempts: int = 0
    service: ServiceName = ServiceName("")
    """What the last diagnosis suspected most; empty when it suspected nothing."""
    fault: FaultKind | None = None
    probability_permille: int = 0


class _Message(msgspec.Struct, frozen=True):
    alarm: Alarm
    fleet: str
    cluster: str
    at_ms: int


class _Told(msgspec.Struct, frozen=True):
    id: str
    outcome: str
    """Empty when it arrived; else why it did not."""
    at_ms: int


def handed_over(council: Council) -> list[Alarm]:
    """The incidents that wait for people now (pure)."""
    alarms = []
    for incident in council.open_incidents:
        if incident.status is not IncidentStatus.HANDED_OVER:
            continue
        diagnosed = incident.last_diagnosis
        best = diagnosed.hypotheses[0] if diagnosed and diagnosed.hypotheses else None
        alarm = Alarm(
            id=incident.key,
            kind="handed-over",
            why="the swarm has nothing left to try, or may not try it",
            incident=incident.key,
            attempts=len(incident.attempts),
        )
        if best is not None:
            alarm = msgspec.structs.replace(
                alarm,
                service=best.service,
                fault=best.kind,
                probability_permille=best.probability_permille,
            )
        alarms.append(alarm)
    return alarms


def violated(council: Council) -> list[Alarm]:
    """What to tell when more agents are proven to lie than consensus can bear (pure)."""
    if not council.excess:
        return []
    liars = ", ".join(sorted(council.proven))
    why = f"{liars} are proven to lie, more than {council.genesis.f}: the replicas have halted"
    return [Alarm(id=f"violated-{council.genesis.epoch}", kind="violated", why=why)]


class DeadMan:
    """Raises one alarm for each time that the swarm is not well for too long (pure)."""

    def __init__(self, patience_ms: int = DEAD_MAN_MS) -> None:
        """Begin before anything was ever well: a swarm that is starting is not lost."""
        self._patience_ms = patience_ms
        self._well_ms: int | None = None
        self._told = False

    def step(self, now_ms: int, *, well: bool, why: str) -> Alarm | None:
        """What to tell at ``now_ms`` of the monotonic clock."""
        if well:
            self._well_ms, self._told = now_ms, False
        if self._told or self._well_ms is None or now_ms - self._well_ms < self._patience_ms:
            return None
        self._told = True
        return Alarm(id=f"dead-man-{self._well_ms}", kind="dead-man", why=why)


class HandOver:
    """Tells alarms, one after another, and remembers which."""

    def __init__(self, ways: Handover, path: Path, genesis: Genesis) -> None:
        """Go on with the record at ``path``; a torn last line was never written."""
        self._ways = ways
        self._genesis = genesis
        self._path = path
        self._told: dict[str, str] = {}
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            lines = []
        for line in lines:
            try:
                told = msgspec.json.decode(line, type=_Told)
            except msgspec.DecodeError:
                continue
            self._keep(told)
        if lines and lines[-1]:
            self._append(b"\n")

    @property
    def notices(self) -> tuple[str, ...]:
        """What came of the newest alarm, for screens."""
        if not self._told:
            return ()
        name, outcome = next(reversed(self._told.items()))
        if not self._is_configured:
            return (f"{name}: for people, and nobody is named in [handover] of the policy",)
        return (f"{name}: NOT handed over: {outcome}" if outcome else f"{name}: people were told",)

    @property
    def _is_configured(self) -> bool:
        return bool(self._ways.command or self._ways.webhook)

    async def tell(self, alarms: Sequence[Alarm], now_ms: int) -> None:
        """Tell what was not told yet; bounded by the policy, cancelled without a trace."""
        for alarm in alarms:
            if alarm.id in self._told:
                continue
            message = _Message(alarm, self._genesis.name, self._genesis.cluster.hex()[:12], now_ms)
            outcome = await self._deliver(msgspec.json.encode(message))
            log.warning("handed_over", alarm=alarm.id, kind=alarm.kind, failed=outcome)
            told = _Told(alarm.id, outcome, now_ms)
            self._append(msgspec.json.encode(told) + b"\n")
            self._keep(told)

    def _keep(self, told: _Told) -> None:
        self._told[told.id] = told.outcome
        while len(self._told) > MAX_KEPT:
            del self._told[next(iter(self._told))]

    def _append(self, data: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    async def _deliver(self, message: bytes) -> str:
        """Why nobody was told; empty when everyone named was."""
        failures = []
        if self._ways.command:
            failures.append(await self._insist(_run, self._ways, message))
        if self._ways.webhook:
            failures.append(await self._insist(_post, self._ways, message))
        return "; ".join(failure for failure in failures if failure)

    @staticmethod
    async def _insist(way: "Way", ways: Handover, message: bytes) -> str:
        why = ""
        for again in range(TRIES):
            if again:
                await asyncio.sleep(BETWEEN_S)
            try:
                async with asyncio.timeout(ways.within_ms / 1000):
                    why = await way(ways, message)
            except TimeoutError:
                why = f"it took over {ways.within_ms} ms"
            except OSError as error:
                why = str(error)
            if not why:
                break
        return why


Way = Callable[[Handover, bytes], Awaitable[str]]
"""Tells one message; why it did not arrive, empty when it did."""


async def _run(ways: Handover, message: bytes) -> str:
    process = await asyncio.create_subprocess_exec(
        *ways.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=dying_with(os.getpid()),
        start_new_session=True,
    )
    try:
        await process.communicate(message + b"\n")
    finally:
        if process.returncode is None:
            # With whatever it has started: it has a process group of its own.
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return f"{ways.command[0]} ended with {process.returncode}" if process.returncode else ""


async def _post(ways: Handover, message: bytes) -> str:
    return await asyncio.to_thread(_post_now, ways, message)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The policy names who is told; an answer may not send the message elsewhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none."""


def _post_now(ways: Handover, message: bytes) -> str:
    request = urllib.request.Request(  # noqa: S310 -- the policy checks the scheme
        ways.webhook, message, {"Content-Type": "application/json"}, method="POST"
    )
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if request.type == "http":
        handlers.append(urllib.request.ProxyHandler({}))  # On this machine.
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=ways.within_ms / 1000):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"the webhook answered {error.code}"
    except (http.client.HTTPException, ValueError) as error:
        return f"the webhook made no sense: {error}"
