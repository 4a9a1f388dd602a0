"""Which runs are alive on this machine: each registers itself by a small file in the state folder."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import platformdirs

from engine.clock import SystemClock
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.signing import KeyFileError
from engine.stream.commands import Operator
from engine.stream.connection import LinkEvent
from engine.stream.link import Link, NotFound, Target, Wish
from engine.stream.token import read_token


class Run(msgspec.Struct, frozen=True):
    """One run: the folder it lives in and the process that owns it."""

    root: str
    pid: int
    apart: str = ""
    """The engine's private folder, where the run's is shared with other machines."""

    @property
    def paths(self) -> RunPaths:
        """Where its files lie."""
        return RunPaths(Path(self.root), Path(self.apart) if self.apart else None)

    @property
    def alive(self) -> bool:
        """Whether its process exists."""
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return self.pid > 0


def registry() -> Path:
    """The folder where runs register."""
    return Path(platformdirs.user_state_dir("incident-commander")) / "runs"


def register(paths: RunPaths, pid: int, folder: Path | None = None) -> Path:
    """Let screens find the run at ``paths``; remove the returned file when it ends."""
    place = folder or registry()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = place / f"{paths.root.name}-{pid}.json"
    scratch = file.with_suffix(".tmp")
    apart = str(paths.apart.resolve()) if paths.apart is not None else ""
    run = Run(str(paths.root.resolve()), pid, apart=apart)
    scratch.write_bytes(msgspec.json.encode(run))
    scratch.replace(file)
    return file


def live_runs(folder: Path | None = None) -> list[Run]:
    """The runs whose process is alive, newest first; files that say nothing useful are passed over."""
    found: list[tuple[float, Run]] = []
    for file in (folder or registry()).glob("*.json"):
        try:
            run = msgspec.json.decode(file.read_bytes(), type=Run)
            changed = file.stat().st_mtime
        except (OSError, msgspec.DecodeError):
            continue
        if run.alive:
            found.append((changed, run))
    return [run for _, run in sorted(found, key=lambda pair: -pair[0])]


def target_of(paths: RunPaths) -> Target:
    """Where the engine of the run at ``paths`` can be reached now.

    Raises:
        NotFound: it has not written its address or its token yet.
    """
    try:
        url = paths.stream_address.read_text().strip()
    except OSError:
        raise NotFound(f"the engine in {paths.root} is not up yet") from None
    try:
        return Target(url, read_token(paths.stream_token))
    except Malformed as error:
        raise NotFound(str(error)) from None


class Place(msgspec.Struct, frozen=True):
    """Where a screen was told to look; looked up anew at each try, because runs come and go."""

    root: Path | None = None
    """Folder of one run; without it, the newest run that is alive."""
    url: str = ""
    """Address of an engine, in place of the one that the run has written down."""
    token_file: Path | None = None
    """Holds the token for ``url``, where it is not the run's."""
    registry: Path | None = None
    """Where runs register; the user's state folder unless told otherwise."""

    def paths(self) -> RunPaths:
        """The run's files.

        Raises:
            NotFound: no run is alive.
        """
        if self.root is not None:
            return RunPaths(self.root)
        runs = live_runs(self.registry)
        if not runs:
            raise NotFound("no run is alive on this machine; start one with: main.py up")
        return runs[0].paths

    def target(self) -> Target:
        """Where to connect now.

        Raises:
            NotFound: there is no engine, or no token for it.
        """
        if not self.url:
            return target_of(self.paths())
        try:
            return Target(self.url, read_token(self.token_file or self.paths().stream_token))
        except Malformed as error:
            raise NotFound(str(error)) from None

    def operator(self) -> Operator:
        """Who gives commands here: the run's own operator.

        Raises:
            NotFound: his key or the cluster's genesis cannot be read here.
        """
        paths = self.paths()
        try:
            return Operator.load(paths.operator_key, paths.genesis)
        except (KeyFileError, Malformed) as error:
            raise NotFound(str(error)) from None

    def link(self, on_event: Callable[[LinkEvent], None], wish: Wish | None = None) -> Link:
        """A link to the engine here, with the machine's clock and randomness."""
        return Link(self.target, on_event, SystemClock(), random.Random(), wish)
