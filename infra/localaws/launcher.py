"""Runs what the emulator would give to Docker as plain processes of this machine.

The emulator asks for containers through Docker's Python library, where there is one. We are that
library, as far as it is asked: an image that we know stands for a program of this repository, a
container is a process with its own log, and a volume is a folder. So an ECS task of the emulator
really runs, really ends with an exit code, and is really replaced; and an EC2 instance has a shell in
which an SSM command really runs. What containers isolate is not: tasks share the machine and its
loopback (``infra.localaws.addresses``), and run as whoever started the emulator.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.localaws.addresses import Addresses
from infra.localaws.spawner import Start, spawn

__all__ = ["Container", "Launcher", "NotFound", "UnknownImage"]

REPOSITORY = Path(__file__).resolve().parents[2]
KEPT_AFTER_END = 64
"""Ended containers that are still known, for whoever asks how they ended."""
FOLLOW_EVERY_S = 0.1
EXEC_WITHIN_S = 300.0
DOCKERS_HOST = "host.docker.internal"
IMAGES_FOLDER = "/app"
"""Where our image has what it is made of: here, this repository."""
NAME = "com.amazonaws.ecs.container-name"
ADDRESS = {"NetworkSettings": {"Networks": {"loopback": {"IPAddress": "127.0.0.1"}}}}


class NotFound(Exception):
    """Nothing of this name or id is known."""


class UnknownImage(NotFound):
    """No program of ours stands for this image."""


def _our_program() -> tuple[str, ...]:
    return (sys.executable, str(REPOSITORY / "main.py"))


def _watched_service() -> tuple[str, ...]:
    return (sys.executable, "-m", "infra.localaws.watched_service")


IMAGES: Mapping[str, Callable[[], tuple[str, ...]]] = {
    "incident-commander": _our_program,
    # What a rehearsal watches.
    "watched-service": _watched_service,
    # An instance's image: it has a shell, and its command is all that runs.
    "shell": lambda: (),
}
"""The program that stands for an image, by the last part of the image's repository."""


def program_of(image: str) -> tuple[str, ...]:
    """The first words of what an image runs.

    Raises:
        UnknownImage: it is none of ours; says which are.
    """
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    if name not in IMAGES:
        raise UnknownImage(f"image {image}: here there are only {', '.join(IMAGES)}")
    return IMAGES[name]()


@dataclass
class Container:
    """One process, as Docker's library would show it."""

    id: str
    name: str
    labels: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes]
    folder: Path
    environment: Mapping[str, str]
    forget: Callable[[str], None]
    attrs: dict[str, Any] = field(default_factory=lambda: dict(ADDRESS))

    @property
    def status(self) -> str:
        """``running`` or ``exited``."""
        return "running" if self.process.poll() is None else "exited"

    def reload(self) -> None:
        """Nothing to do: ``status`` is always the present one."""

    def wait(self) -> dict[str, int]:
        """How it ended; a signal counts as 128 + its number, as in Docker."""
        code = self.process.wait()
        return {"StatusCode": 128 - code if code < 0 else code}

    def stop(self, timeout: float = 10) -> None:
        """Ask it to end, wait, then kill all that it started in its session."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def remove(self, *, v: bool = False, force: bool = False) -> None:
        """Forget it.

        Args:
            v: its anonymous volumes too; it has none.
            force: kill it first, where it still runs.

        Raises:
            RuntimeError: it still runs, and nobody said ``force``.
        """
        if self.process.poll() is None:
            if not force:
                raise RuntimeError(f"{self.name} is running")
            self._signal(signal.SIGKILL)
            self.process.wait()
        self.forget(self.id)

    def logs(
        self,
        *,
        stream: bool = False,
        follow: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tail: int | str = "all",
    ) -> bytes | Iterator[bytes]:
        """What it wrote: all, the last lines, or piece by piece until it ends."""
        if stream:
            return self._follow() if follow else iter([self.log.read_bytes()])
        content = self.log.read_bytes()
        return content if isinstance(tail, str) else b"".join(content.splitlines(True)[-tail:])

    def exec_run(self, argv: list[str], *, demux: bool = False) -> "Ran":
        """Run a command where it runs, and wait for it."""
        try:
            ran = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=dict(self.environment),
                cwd=self.folder,
                timeout=EXEC_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ran(124, (b"", b"not done within 300 s") if demux else b"")
        output = (ran.stdout, ran.stderr) if demux else ran.stdout + ran.stderr
        return Ran(ran.returncode, output)

    def _follow(self) -> Iterator[bytes]:
        with self.log.open("rb") as file:
            while True:
                ended = self.process.poll() is not None
                chunk = file.read()
                if chunk:
                    yield chunk
                elif ended:
                    return
                else:
                    # A file that another process writes: there is no event to wait for.
                    time.sleep(FOLLOW_EVERY_S)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


@dataclass(frozen=True)
class Ran:
    """How a command inside a container ended."""

    exit_code: int
    output: bytes | tuple[bytes, bytes]


@dataclass(frozen=True)
class Image:
    """An image that needs no pulling."""

    id: str
    attrs: Mapping[str, Any]

    def tag(self, _repository: str, tag: str = "latest") -> bool:
        """Every name is known already."""
        return bool(tag)


class Launcher:
    """The client that Docker's library would give: ``containers`` and ``images`` are itself."""

    def __init__(self, folder: Path, addresses: Addresses) -> None:
        """``folder`` holds logs and scratch folders of the tasks, which have these ``addresses``."""
        self._folder = folder
        self._addresses = addresses
        self._lock = threading.Lock()
        self._running: dict[str, Container] = {}
        self.containers = self
        self.images = _Images()

    def run(self, image: str, command: list[str] | str | None = None, **asked: Any) -> Container:  # noqa: ANN401 - Docker's keywords
        """Start a container; most of what Docker could be asked for has no meaning here.

        Raises:
            UnknownImage: no program of ours stands for it.
            OSError: the program cannot be started.
        """
        words = [command] if isinstance(command, str) else list(command or [])
        identity = uuid.uuid4().hex + uuid.uuid4().hex
        volumes = Volumes([f"{REPOSITORY}:{IMAGES_FOLDER}:ro", *(asked.get("volumes") or [])])
        name = str(asked.get("name") or identity[:12])
        labels: Mapping[str, str] = asked.get("labels") or {}

        def here(word: str) -> str:
            return self._addresses.here(volumes.here(word), labels.get(NAME, name))

        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(REPOSITORY),
            **{
                # What the emulator calls Docker's host is this machine.
                variable: here(str(value).replace(DOCKERS_HOST, "127.0.0.1"))
                for variable, value in (asked.get("environment") or {}).items()
            },
        }
        folder = self._folder / identity[:12]
        folder.mkdir(mode=0o700, parents=True)
        argv = (*program_of(image), *map(here, words))
        log = folder / "log"
        process = spawn(Start(argv, environment, folder, log))
        container = Container(
            identity,
            name,
            labels,
            log,
            process,
            folder,
            environment,
            self._forget,
        )
        with self._lock:
            self._running[identity] = container
        self._bound()
        return container

    def get(self, name: str) -> Container:
        """A container by its id or its name.

        Raises:
            NotFound: there is none.
        """
        with self._lock:
            found = self._running.get(name) or next(
                (one for one in self._running.values() if one.name == name), None
            )
        if found is None:
            raise NotFound(f"no container {name}")
        return found

    def list(self, **_: object) -> "list[Container]":
        """All containers that are known."""
        with self._lock:
            return [*self._running.values()]

    def end_all(self) -> None:
        """Kill what still runs."""
        for container in self.list():
            container.remove(force=True)

    def _forget(self, identity: str) -> None:
        with self._lock:
            self._running.pop(identity, None)

    def _bound(self) -> None:
        """Forget the oldest that have ended, so that a service in a crash loop fills nothing."""
        with self._lock:
            ended = [one for one in self._running.values() if one.process.poll() is not None]
            for one in ended[:-KEPT_AFTER_END]:
                del self._running[one.id]


class Volumes:
    """Folders that stand for what a container has mounted.

    A process of this machine sees no mounts, so wherever a mount point begins a path in its
    command or environment, the folder stands there instead.
    """

    def __init__(self, binds: "list[str]") -> None:
        """``binds`` as Docker takes them: ``folder:mount point:rw``."""
        self._folders: list[tuple[str, str]] = []
        for bind in binds:
            folder, mount, *_ = bind.split(":")
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folders.append((mount.rstrip("/"), folder))
        # A mount inside another one is the more exact of the two.
        self._folders.sort(key=lambda pair: -len(pair[0]))

    def here(self, word: str) -> str:
        """``word`` with the folder in the mount point's place."""
        for mount, folder in self._folders:
            if word == mount or word.startswith(f"{mount}/"):
                return folder + word[len(mount) :]
        return word


class _Images:
    """What the launcher has instead of a registry."""

    def get(self, image: str) -> Image:
        """An image that is known.

        Raises:
            UnknownImage: it is not.
        """
        words = program_of(image)
        return Image(f"local:{image}", {"Config": {"Entrypoint": list(words) or None}})

    def pull(self, image: str, **_: object) -> Image:
        """The same: nothing is fetched from anywhere."""
        return self.get(image)

    def get_registry_data(self, image: str, **_: object) -> Image:
        """There is no registry.

        Raises:
            UnknownImage: always.
        """
        raise UnknownImage(f"image {image}: a launcher has no registry")
