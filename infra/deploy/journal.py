"""What a run leaves on disk: a folder with its journal, plan, assembly and logs.

``events.jsonl`` is the truth: one JSON object a line, each of the machine's events synced before
anything is done because of it. ``progress`` lines lie between them for people and are not synced. A
line that was cut by a crash is dropped when the run is taken up again; nothing was done because of it.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import platformdirs

from engine.codec import Malformed
from infra.deploy.machine import OutOfTurn, fold
from infra.deploy.run import AnyEvent, Run

__all__ = ["Line", "Progress", "RunFolder", "Shelf", "default_root"]

MAX_JOURNAL_BYTES = 8 << 20
"""A deployment of two hundred resources writes some hundred kilobytes."""
KEPT_RUNS = 200
KEPT_GOOD = 3
"""Good assemblies that can be gone back to from this machine."""


class Progress(msgspec.Struct, frozen=True, tag_field="event", tag="progress"):
    """Something to tell people; decides nothing."""

    stack: str
    resource: str
    kind: str
    status: str
    reason: str = ""
    done: int = 0
    total: int = 0
    left_s: float = 0.0


class Line(msgspec.Struct, frozen=True):
    """One line of a journal."""

    at_ms: int
    """Unix milliseconds."""
    pid: int
    what: AnyEvent | Progress


_lines = msgspec.json.Decoder(Line)


def default_root() -> Path:
    """Where runs are kept when no folder is named."""
    return platformdirs.user_state_path("incident-commander") / "deploys"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def events(self) -> Path:
        """The journal."""
        return self.path / "events.jsonl"

    @property
    def assembly(self) -> Path:
        """What was synthesised once."""
        return self.path / "assembly"

    @property
    def plan(self) -> Path:
        """What an approval is about (JSON)."""
        return self.path / "plan.json"

    @property
    def health(self) -> Path:
        """The last health suite of this run (JSON)."""
        return self.path / "health.json"

    @property
    def log(self) -> Path:
        """What the CDK wrote."""
        return self.path / "cdk.log"

    @property
    def number(self) -> int:
        """The run's number."""
        return int(self.path.name)

    def append(self, line: Line) -> None:
        """Write one line; what decides something is on disk when this returns.

        Raises:
            OSError: it could not be written; the journal ends where it did.
        """
        data = msgspec.json.encode(line) + b"\n"
        descriptor = os.open(self.events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            end = os.fstat(descriptor).st_size
            try:
                written = os.write(descriptor, data)
                if written != len(data):
                    raise OSError(28, "the disk is full", str(self.events))
                if not isinstance(line.what, Progress):
                    os.fsync(descriptor)
            except OSError:
                # Half a line must not stand in the way of the next one.
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)

    def lines(self) -> list[Line]:
        """All lines; a last one without its end is left out.

        Raises:
            Malformed: a line is none; names file and line.
        """
        try:
            with self.events.open("rb") as file:
                data = file.read(MAX_JOURNAL_BYTES + 1)
        except OSError as error:
            raise Malformed(f"{self.events}: {error.strerror}") from None
        if len(data) > MAX_JOURNAL_BYTES:
            raise Malformed(f"{self.events}: longer than {MAX_JOURNAL_BYTES} bytes")
        whole = data[: data.rfind(b"\n") + 1]
        found = []
        for number, text in enumerate(whole.splitlines(), 1):
            try:
                found.append(_lines.decode(text))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Malformed(f"{self.events}: line {number}: {error}") from None
        return found

    def mend(self) -> None:
        """Take away what a crash left of a last line."""
        with self.events.open("r+b") as file:
            data = file.read(MAX_JOURNAL_BYTES + 1)
            file.truncate(data.rfind(b"\n") + 1)

    def run(self) -> Run:
        """Where the run stands.

        Raises:
            Malformed: its journal cannot be read, or does not hold one run.
        """
        events = [line.what for line in self.lines() if not isinstance(line.what, Progress)]
        try:
            return fold(events)
        except OutOfTurn as error:
            raise Malformed(f"{self.events}: {error}") from None


class _Good(msgspec.Struct, frozen=True):
    """The runs that were good, the last one first."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Shelf:
    """All runs of one environment on this machine."""

    root: Path
    environment: str

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.root / self.environment

    @property
    def emulator(self) -> Path:
        """Where the emulator of ``local`` lives."""
        return self.path / "emulator"

    @property
    def lock(self) -> Path:
        """Held by whoever deploys from this machine."""
        return self.path / "lock"

    @property
    def health(self) -> Path:
        """The newest health suite, of a run or asked by hand (JSON)."""
        return self.path / "health.json"

    @property
    def baseline(self) -> Path:
        """What the health checks of the last good run took (JSON)."""
        return self.path / "baseline.json"

    def make(self) -> "Shelf":
        """Create the folder."""
        (self.path / "runs").mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def folder(self, number: int) -> RunFolder:
        """The folder of run ``number``."""
        return RunFolder(self.path / "runs" / str(number))

    def numbers(self) -> list[int]:
        """The runs that are kept, oldest first."""
        try:
            names = [entry.name for entry in (self.path / "runs").iterdir()]
        except OSError:
            return []
        return sorted(int(name) for name in names if name.isdigit())

    def newest(self) -> RunFolder | None:
        """The last run; None when there is none."""
        numbers = self.numbers()
        return self.folder(numbers[-1]) if numbers else None

    def runs(self) -> Iterator[tuple[RunFolder, Run]]:
        """All runs whose journal can be read, newest first."""
        for number in reversed(self.numbers()):
            folder = self.folder(number)
            try:
                yield folder, folder.run()
            except Malformed:
                continue

    def new(self, at_least: int = 1) -> RunFolder:
        """A folder for the next run."""
        numbers = self.numbers()
        folder = self.folder(max([at_least, *(number + 1 for number in numbers[-1:])]))
        folder.path.mkdir(mode=0o700)
        return folder

    def durations_s(self, before: int) -> dict[str, float]:
        """How long each stack took in the last run before run ``before`` that changed any."""
        for number in reversed(self.numbers()):
            if number >= before:
                continue
            try:
                lines = self.folder(number).lines()
            except Malformed:
                continue
            at_ms: dict[str, list[int]] = {}
            for line in lines:
                if isinstance(line.what, Progress):
                    at_ms.setdefault(line.what.stack, []).append(line.at_ms)
            if at_ms:
                return {name: (times[-1] - times[0]) / 1000 for name, times in at_ms.items()}
        return {}

    # --- the last good assembly -----------------------------------------------------------------

    def goods(self) -> list[int]:
        """The runs that were good and whose assemblies are still here, the last one first.

        Raises:
            Malformed: the file that says so cannot be read.
        """
        file = self.path / "good.json"
        try:
            numbers = msgspec.json.decode(file.read_bytes(), type=_Good).numbers
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            raise Malformed(f"{file}: {error}; remove it to forget what was good") from None
        return [number for number in numbers if self.folder(number).assembly.is_dir()]

    def good(self) -> int:
        """The run that is good now; 0 when nothing was ever good here."""
        return next(iter(self.goods()), 0)

    def before(self, good: int, wanted: int) -> int:
        """The run to go back to by hand.

        Args:
            good: the run that was good last.
            wanted: the run that a person named; 0: none.

        Raises:
            Malformed: the assembly of the named run is not kept.
        """
        goods = self.goods()
        if wanted:
            if wanted not in goods:
                kept = ", ".join(map(str, goods)) or "none"
                raise Malformed(f"run {wanted} cannot be gone back to; good and kept: {kept}")
            return wanted
        newest = next((run for _, run in self.runs() if run.kind.value != "plan"), None)
        went_well = newest is not None and newest.well and newest.number == good
        return next((number for number in goods if number != good), good) if went_well else good

    def keep(self, run: Run) -> None:
        """Remember that ``run`` is good, and forget the assemblies that nobody goes back to."""
        goods = [run.number, *(number for number in self.goods() if number != run.number)]
        goods = goods[:KEPT_GOOD]
        write_whole(self.path / "good.json", msgspec.json.encode(_Good(tuple(goods))))
        self.prune(set(goods))

    def forget(self) -> None:
        """Nothing is good here any more: it was destroyed."""
        (self.path / "good.json").unlink(missing_ok=True)
        self.baseline.unlink(missing_ok=True)
        self.health.unlink(missing_ok=True)

    def prune(self, wanted: set[int]) -> None:
        """Remove old runs, and the assemblies of all runs that are over but those ``wanted``."""
        numbers = self.numbers()
        for number in numbers[:-KEPT_RUNS]:
            if number not in wanted:
                shutil.rmtree(self.folder(number).path, ignore_errors=True)
        for number in numbers[-KEPT_RUNS:-1]:
            if number not in wanted:
                shutil.rmtree(self.folder(number).assembly, ignore_errors=True)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by ``data``: whoever reads it sees the old one or the new one, whole."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise
