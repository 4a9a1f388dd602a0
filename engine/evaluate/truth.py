"""What is true of recordings, and how right each line of results is about it.

Nothing that senses may import this: it compares results that are already written. The rules are
those of published comparisons: equal scores count with their expected rank, a fault that was not
answered has rank infinity, alarms within five minutes of the one before are one alarm.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.codec import Malformed
from engine.telemetry.recording import Recording
from engine.telemetry.recording import read as read_recording

MERGE_S = 300.0
WINDOW_S, WINDOW_STEPS = 300.0, 3
"""After its start a fault counts as detected for so long, whichever is longer."""
KS = (1, 2, 3, 4, 5)


class Named(msgspec.Struct, frozen=True):
    """One entry of a ranking."""

    service: str
    score: float


class Sounded(msgspec.Struct, frozen=True):
    """One alarm."""

    t: float


class Said(msgspec.Struct, frozen=True):
    """The keys of a line of results that are compared."""

    recording: str
    alarms: tuple[Sounded, ...] = ()
    ranking: tuple[Named, ...] = ()
    culprit_ref: str | None = None
    scores: tuple[float, ...] = ()


class Truth(msgspec.Struct, frozen=True):
    """A truth file, as far as it is compared."""

    fault: bool
    start: float | None = None
    service: str | None = None
    kind: str | None = None
    culprit_ref: str | None = None
    rows: tuple[tuple[int, int], ...] | None = None
    """Of a lone series, first and last row of each labelled window."""


class Case(NamedTuple):
    """One recording and what is true of it."""

    set_name: str
    recording: Recording
    truth: Truth

    @property
    def kind(self) -> str:
        """The kind of its fault, in a word."""
        return (self.truth.kind or "fault") if self.truth.fault else "quiet"


class Part(NamedTuple):
    """What one recording adds to a measure, which is the ratio of two sums."""

    above: float = 0.0
    below: float = 0.0


def read(folder: Path) -> list[Case]:
    """All recordings below ``folder`` of which the truth is known, set by set.

    Raises:
        Malformed: a truth file or its recording is damaged.
    """
    cases = []
    for path in sorted(folder.rglob("truth/*.json")):
        home = path.parent.parent
        try:
            truth = msgspec.json.decode(path.read_bytes(), type=Truth)
        except (msgspec.DecodeError, OSError) as error:
            raise Malformed(f"{path}: {error}; compare it with the format's description") from None
        cases.append(Case(home.name, read_recording(home / path.stem), truth))
    return cases


def read_lines(path: Path) -> dict[str, Said]:
    """Lines of results, by recording.

    Raises:
        Malformed: the file cannot be read, or is no file of results.
    """
    try:
        said = [msgspec.json.decode(line, type=Said) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise Malformed(f"{path}: {error}; write it by main.py evaluate") from None
    return {line.recording: line for line in said}


# --- root cause ----------------------------------------------------------------------------------


def shares_of(ranking: Sequence[Named], wanted: str | None) -> list[float]:
    """P(rank <= k) for k = 1..5 where equal scores stand in random order."""
    best: dict[str, float] = {}
    for entry in ranking:
        best[entry.service] = max(entry.score, best.get(entry.service, -math.inf))
    if wanted is None or wanted not in best:
        return [0.0] * len(KS)
    above = sum(score > best[wanted] for score in best.values())
    tied = sum(score == best[wanted] for score in best.values())
    return [min(1.0, max(0.0, (k - above) / tied)) for k in KS]


def _within(k: int) -> Callable[[Case, Said | None], Part]:
    def part(case: Case, said: Said | None) -> Part:
        if not case.truth.fault or case.truth.service is None or case.truth.rows is not None:
            return Part()
        return Part(shares_of(said.ranking if said else (), case.truth.service)[k - 1], 1.0)

    return part


def _on_average(case: Case, said: Said | None) -> Part:
    parts = [_within(k)(case, said) for k in KS]
    return Part(sum(part.above for part in parts) / len(KS), parts[0].below)


def _quiet(case: Case, said: Said | None) -> Part:
    if case.truth.fault or case.truth.rows is not None:
        return Part()
    is_loud = said is None or said.ranking or (said.alarms and case.recording.page is None)
    return Part(float(not is_loud), 1.0)


def _quiet_when_asked(case: Case, said: Said | None) -> Part:
    return _quiet(case, said) if case.recording.page is not None else Part()


def _unasked(part: Callable[[Case, Said | None], Part]) -> Callable[[Case, Said | None], Part]:
    """The same, of recordings that come without a page."""

    def unasked(case: Case, said: Said | None) -> Part:
        return part(case, said) if case.recording.page is None else Part()

    return unasked


def _change(case: Case, said: Said | None) -> Part:
    if not case.truth.culprit_ref:
        return Part()
    return Part(float(said is not None and said.culprit_ref == case.truth.culprit_ref), 1.0)


# --- detection -----------------------------------------------------------------------------------


class _Heard(NamedTuple):
    hit: bool
    false: int
    service_days: float
    """Without a fault."""


def _heard(case: Case, said: Said | None) -> _Heard | None:
    """What was noticed; None where a page was given, or there is a lone series."""
    recording, truth = case.recording, case.truth
    if recording.page is not None or truth.rows is not None:
        return None
    start_s = truth.start if truth.fault and truth.start is not None else math.inf
    window_s = max(WINDOW_S, WINDOW_STEPS * recording.step_s)
    times = sorted(alarm.t for alarm in said.alarms) if said else []
    false, last_s = 0, -math.inf
    for at_s in times:
        false += at_s < start_s and at_s - last_s > MERGE_S
        last_s = at_s
    free_s = max(0.0, min(start_s, recording.end_s) - recording.start_s)
    hit = any(start_s <= at_s <= start_s + window_s for at_s in times)
    return _Heard(hit, false, len(recording.services) * free_s / 86_400)


def _detected(case: Case, said: Said | None) -> Part:
    heard = _heard(case, said)
    return Part(float(heard.hit), 1.0) if heard is not None and case.truth.fault else Part()


def _false(case: Case, said: Said | None) -> Part:
    heard = _heard(case, said)
    return Part() if heard is None else Part(float(heard.false), heard.service_days)


def _f1(case: Case, said: Said | None) -> Part:
    heard = _heard(case, said)
    if heard is None:
        return Part()
    missed = case.truth.fault and not heard.hit
    return Part(2.0 * heard.hit, 2.0 * heard.hit + heard.false + missed)


class Measure(NamedTuple):
    """A figure over recordings."""

    name: str
    part: Callable[[Case, Said | None], Part]
    sign: int = 1
    """-1 where less is better."""
    leads: bool = False
    """Whether own has to be better by it, not just no worse."""


MEASURES: Mapping[str, tuple[Measure, ...]] = {
    "cause": (
        Measure("AC@1", _within(1), leads=True),
        Measure("AC@3", _within(3)),
        Measure("Avg@5", _on_average, leads=True),
        Measure("change", _change),
        Measure("left quiet", _quiet_when_asked),
    ),
    "detection": (
        Measure("detected", _detected),
        Measure("false a service-day", _false, sign=-1),
        Measure("event F1", _f1, leads=True),
        Measure("left quiet", _unasked(_quiet)),
        Measure("AC@1", _unasked(_within(1))),
    ),
}
"""By what the results were made for: told when (``--onsets``), or end to end."""
