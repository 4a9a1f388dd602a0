"""The engine's deployer: shows what the journals say, and starts ``main.py deploy`` for orders.

The desk deploys nothing itself. A run is a process of its own in a session of its own: it goes on
when the panel, the console or the engine ends, and whoever looks next reads the same journal. So the
panel and the command line cannot disagree.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import structlog

from engine.codec import Malformed
from engine.stream.deploying import DeployOrder, DeployVerb
from engine.stream.state import DeployRow
from infra.deploy.journal import Shelf, default_root
from infra.deploy.local_lock import holder_of
from infra.deploy.showing import refused_row, row_of
from infra.deploy.source import REPOSITORY
from infra.environments import NAMES, environment
from infra.target import banner

__all__ = ["Desk"]

LOOK_EVERY_S = 0.5
LOG = "panel.log"
MAX_LOG_BYTES = 1 << 20
LAST_BYTES = 4096
"""Of a log, in which its last line is looked for."""

log = structlog.get_logger()


class _Ordered(NamedTuple):
    """A command that this desk has started."""

    verb: DeployVerb
    process: "subprocess.Popen[bytes]"
    begins: int
    """Where its words begin in the log of its environment."""
    newest: int
    """The newest run when it was ordered."""

    @property
    def works(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


class Desk:
    """Environments of this machine's user; implements ``engine.stream.deploying.Deployer``."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or default_root()
        self._rows: dict[str, DeployRow] = {}
        self._stamps: dict[str, tuple[object, ...]] = {}
        self._ordered: dict[str, _Ordered] = {}
        """The last order for each environment."""

    @property
    def rows(self) -> Mapping[str, DeployRow]:
        """Every environment as it stands."""
        return self._rows

    async def run(self) -> None:
        """Look at the journals twice a second."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Read what has changed since the last look."""
        rows = {}
        for name in NAMES:
            shelf = Shelf(self._root, name)
            ordered = self._ordered.get(name)
            at_work = (
                ordered is not None and ordered.works and ordered.verb is not DeployVerb.HEALTH
            )
            said = _said(shelf, ordered) if ordered is not None else ""
            stamp = (said, *_stamp(shelf), at_work or holder_of(shelf.lock) is not None)
            if name in self._rows and stamp == self._stamps.get(name):
                rows[name] = self._rows[name]
                continue
            self._stamps[name] = stamp
            try:
                rows[name] = row_of(
                    shelf, banner(environment(name)), busy=bool(stamp[-1]), said=said
                )
            except Malformed as error:
                # Where the repository lies is known; which file of it is meant has to fit a column.
                rows[name] = refused_row(name, str(error).replace(f"{REPOSITORY}/", ""))
        if any(rows[name] is not self._rows.get(name) for name in rows):
            self._rows = rows

    async def order(self, order: DeployOrder) -> str:
        """Start what was ordered; why not, or empty."""
        if order.environment not in NAMES:
            return f"no such environment; there are {', '.join(NAMES)}"
        try:
            environment(order.environment)
        except Malformed as error:
            return str(error)
        shelf = Shelf(self._root, order.environment).make()
        if order.verb is not DeployVerb.HEALTH and holder_of(shelf.lock) is not None:
            return f"a deployment of {order.environment} runs already"
        before = self._ordered.get(order.environment)
        if before is not None and before.works:
            return f"{before.verb.value} {order.environment} is still at work"
        return await asyncio.to_thread(self._start, shelf, order)

    def _start(self, shelf: Shelf, order: DeployOrder) -> str:
        verb = "apply" if order.verb is DeployVerb.APPROVE else order.verb.value
        argv = [sys.executable, str(REPOSITORY / "main.py"), "deploy", verb, order.environment]
        argv += ["--state", str(self._root)]
        if order.verb is DeployVerb.APPROVE:
            argv += ["--approve", order.plan]
        if order.typed_name:
            argv += ["--confirm", order.typed_name]
        output = shelf.path / LOG
        try:
            fresh = output.exists() and output.stat().st_size > MAX_LOG_BYTES
            with output.open("wb" if fresh else "ab") as file:
                begins = file.tell()
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
        except OSError as error:
            return str(error)
        newest = shelf.newest()
        number = newest.number if newest is not None else 0
        self._ordered[order.environment] = _Ordered(order.verb, process, begins, number)
        log.info("deploy_started", verb=verb, environment=order.environment, by=order.author)
        return ""


def _stamp(shelf: Shelf) -> tuple[object, ...]:
    """What changes when there is something new to read."""
    newest = shelf.newest()
    files = [shelf.health, shelf.path / "good.json"]
    if newest is not None:
        files += [newest.events, newest.plan]
    return (
        newest.number if newest is not None else 0,
        *(_size_and_time(file) for file in files),
    )


def _said(shelf: Shelf, ordered: _Ordered) -> str:
    """The last words of a command, while it works; its very last where it failed before any run."""
    code = ordered.process.poll()
    newest = shelf.newest()
    if code == 0 or (code is not None and newest is not None and newest.number > ordered.newest):
        return ""
    try:
        with (shelf.path / LOG).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(ordered.begins, size - LAST_BYTES))
            lines = file.read(LAST_BYTES).decode(errors="replace").split("\n")
    except OSError as error:
        return str(error)
    last = next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")
    if code is None:
        return last or f"{ordered.verb.value} begins"
    return f"{ordered.verb.value} ended with exit code {code}: {last or 'without a word'}"


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns
