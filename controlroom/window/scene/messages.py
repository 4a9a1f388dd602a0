"""Every message of the trace as a row of numbers (pure).

A record of the trace becomes one row, drawn once; in a large swarm the records of one phase of one
round that exceed ``ONE_BY_ONE`` are folded into a row per pair of roles, which counts them. Rows
know when they leave and arrive on screen, so that what is drawn is a function of time alone.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Column, Floats, Mask, Numbers
from controlroom.window.scene.lens import flights
from controlroom.window.scene.missing import WAIT_S, Lack, Missing, Saying
from controlroom.window.scene.palette import KIND_NAMES
from controlroom.window.timeline import Sent

CAPACITY = 1 << 18
"""Rows kept, more than the engine's trace has records; the oldest half leaves when it is full."""
CHUNK = 2_048
"""Rows that are asked together whether any of them is under way."""
ONE_BY_ONE = 600
"""Records of one phase of one round that are drawn one by one; 24 agents send each other 552."""
MAX_ROUNDS = 8_192
"""Rounds whose beginning is remembered."""
LINGERS_S = 0.35
"""A message that was taken flashes for so long at its receiver."""
FALLS_S = 1.1
"""One that was refused bounces off and falls for so long; so does one that is missing."""
NOTICED_S = WAIT_S + 0.2
"""What is missing is drawn so long after it was said: when it is known to be."""
LOST_S = 1.0
"""How long what is missing flies before it falls."""
_SLOTTED = frozenset({"pre-prepare", "prepare", "commit"})
_VOTES = 3
"""The first kinds of the palette are votes."""
_BY_VIEW = frozenset({"view-change", "new-view"})


class Fate(IntEnum):
    """What the receiver did with a message."""

    TAKEN = 0
    REFUSED = 1
    MISSING = 2
    """Others received it and this receiver did not: an inference, not a record."""


class Rows(NamedTuple):
    """Columns of messages; one row each."""

    number: Numbers
    """Of the record; of the first one where several are folded; negative for what is missing."""
    sender: Numbers
    """Row of the agent in genesis."""
    receiver: Numbers
    kind: Numbers
    """Place in ``palette.KIND_NAMES``."""
    view: Numbers
    sequence_number: Numbers
    digest: Numbers
    leave_s: Floats
    arrive_s: Floats
    flight_ms: Floats
    """How long it really took."""
    fate: Numbers
    twin: Numbers
    """0, or 1 and 2 for messages that contradict each other."""
    records: Numbers
    """Records that the row stands for; none for a message that is missing."""

    def where(self, chosen: Mask | Numbers) -> "Rows":
        """Only the chosen rows."""
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        return Rows._make([column.take(chosen) for column in self])


_TYPES = {
    "sender": np.int16, "receiver": np.int16, "kind": np.uint8, "fate": np.uint8, "twin": np.uint8,
    "leave_s": np.float64, "arrive_s": np.float64, "flight_ms": np.float32, "records": np.int32,
}  # fmt: skip
_KIND = {name: i for i, name in enumerate(KIND_NAMES)}
_OTHER = len(KIND_NAMES) - 1
_Phase = tuple[str, int, int]


class _Said:
    """What one sender said in one phase of one round: its first digest, and who got which."""

    __slots__ = ("digest", "rows", "twins")

    def __init__(self, digest: int) -> None:
        self.digest = digest
        self.rows: list[int] = []
        self.twins = False


class Messages:
    """The table."""

    def __init__(
        self,
        index: Mapping[str, int],
        groups: Sequence[int],
        late_s: float = 0.0,
        *,
        complete: bool = False,
    ) -> None:
        """An empty table.

        Args:
            index: row of each agent by its id.
            groups: number of each agent's role.
            late_s: how much later all is drawn: live, a record comes some tenths of a second
                after what it tells.
            complete: whether what some received and others did not is shown as missing.
        """
        self._missing = Missing(index) if complete else None
        self.lacks: dict[int, Lack] = {}
        """What is missing, by the number of its row."""
        self._lacking: dict[tuple[Saying, str], int] = {}
        self._index = index
        self._groups = groups
        self._late_s = late_s
        self._columns: dict[str, Column] = {
            name: np.zeros(CAPACITY, _TYPES.get(name, np.int64)) for name in Rows._fields
        }
        self._length = 0
        self._first = np.full(CAPACITY // CHUNK, np.inf)
        self._last = np.full(CAPACITY // CHUNK, -np.inf)
        self._starts: OrderedDict[object, float] = OrderedDict()
        self._phases: OrderedDict[_Phase, int] = OrderedDict()
        self._said: OrderedDict[tuple[int, int, int, int], _Said] = OrderedDict()
        self._bundles: dict[tuple[object, ...], int] = {}
        self.taken = 0
        """Records that came."""
        self.folded = 0
        """Records that share a row with others."""
        self.strangers = 0
        """Records that name an agent that is none."""
        self.forgotten = 0
        """Records whose rows have left."""
        self.reasons: dict[int, str] = {}
        """Why a message was refused, by the number of its record."""
        self.contradictions: dict[tuple[int, int, int, int], tuple[int, int]] = {}
        """By sender, kind, view and sequence number: the two digests."""

    @property
    def rows(self) -> Rows:
        """All rows there are, as views."""
        return Rows._make(self._columns[name][: self._length] for name in Rows._fields)

    # --- coming in ------------------------------------------------------------------------------

    def take(self, records: Sequence[Sent]) -> None:
        """Add records, each once."""
        for at in range(0, len(records), CHUNK):
            self._take(records[at : at + CHUNK])

    def _take(self, records: Sequence[Sent]) -> None:
        self.taken += len(records)
        known = [
            sent
            for sent in records
            if sent.event.sender in self._index and sent.event.receiver in self._index
        ]
        self.strangers += len(records) - len(known)
        if not known:
            return
        self._begin_rounds(known)
        start = np.array([self._starts[_round_of(sent)] for sent in known])
        sent_s = np.array([sent.sent_s for sent in known])
        received_s = np.array([sent.received_s for sent in known])
        leave, arrive = flights(start, sent_s, received_s)
        for place, sent in enumerate(known):
            self._put(sent, leave[place] + self._late_s, arrive[place] + self._late_s)
        if self._missing is not None:
            self._seek(self._missing, known)

    def _seek(self, missing: Missing, known: Sequence[Sent]) -> None:
        """Draw what is missing, until it comes after all."""
        for sent in known:
            saying = missing.heard(sent)
            row = self._lacking.pop((saying, sent.event.receiver), None) if saying else None
            if row is not None:
                self._columns["leave_s"][row] = np.inf
        for lack in missing.overdue():
            self._miss(lack)

    def _miss(self, lack: Lack) -> None:
        row = self._room()
        event, number = lack.first.event, -len(self.lacks) - 1
        leave = lack.first.sent_s + self._late_s + NOTICED_S
        values = (
            number, self._index[lack.saying.sender], self._index[lack.receiver],
            _KIND.get(event.kind, _OTHER), event.view, event.sequence_number,
            int.from_bytes(event.digest[:8].ljust(8, b"\0"), "big", signed=True),
            leave, leave + LOST_S, 0.0, Fate.MISSING, 0, 0,
        )  # fmt: skip
        for name, value in zip(Rows._fields, values, strict=True):
            self._columns[name][row] = value
        self._span(row, leave, leave + LOST_S + FALLS_S)
        self.lacks[number] = lack
        self._lacking[lack.saying, lack.receiver] = row

    def _begin_rounds(self, known: Sequence[Sent]) -> None:
        """A round begins with its first message; what is heard of it later does not move it."""
        begun: dict[object, float] = {}
        for sent in known:
            name = _round_of(sent)
            begun[name] = min(sent.sent_s, begun.get(name, sent.sent_s))
        for name, t_s in begun.items():
            self._starts.setdefault(name, t_s)
        while len(self._starts) > MAX_ROUNDS:
            oldest = next(iter(self._starts))
            if oldest in begun:
                break
            del self._starts[oldest]

    def _put(self, sent: Sent, leave: float, arrive: float) -> None:
        event = sent.event
        kind = _KIND.get(event.kind.partition(" ")[0], _OTHER)
        sender, receiver = self._index[event.sender], self._index[event.receiver]
        fate = Fate.REFUSED if event.refused else Fate.TAKEN
        digest = int.from_bytes(event.digest[:8].ljust(8, b"\0"), "big", signed=True)
        # What was refused proves nothing against its sender: another's vote, passed on, among it.
        place = (sender, kind, event.view, event.sequence_number)
        said = None if event.refused else self._heard(event.kind, place, digest)
        twin = 0 if said is None or not said.twins else 1 + (digest != said.digest)
        if not twin and fate is Fate.TAKEN and self._fold(sent, kind, sender, receiver, arrive):
            return
        row = self._room()
        values = (
            sent.number, sender, receiver, kind, event.view, event.sequence_number, digest,
            leave, arrive, 1000 * (sent.received_s - sent.sent_s), fate, twin, 1,
        )  # fmt: skip
        for name, value in zip(Rows._fields, values, strict=True):
            self._columns[name][row] = value
        if said is not None:
            said.rows.append(row)
        if event.refused:
            self.reasons[sent.number] = event.refused
        self._span(row, leave, arrive + (FALLS_S if fate else LINGERS_S))

    def _span(self, row: int, leave: float, gone: float) -> None:
        chunk = row // CHUNK
        self._first[chunk] = min(self._first[chunk], leave)
        self._last[chunk] = max(self._last[chunk], gone)

    def _heard(self, name: str, key: tuple[int, int, int, int], digest: int) -> _Said | None:
        """What the sender said in this phase before; two digests make twins of all of it."""
        if name not in _SLOTTED:
            return None
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = _Said(digest)
            if len(self._said) > MAX_ROUNDS * 8:
                self._said.popitem(last=False)
        elif digest != said.digest and not said.twins:
            said.twins = True
            self._columns["twin"][said.rows] = 1
            self.contradictions[key] = (said.digest, digest)
        return said

    def _fold(self, sent: Sent, kind: int, sender: int, receiver: int, arrive: float) -> bool:
        """Whether the record went into a row that stands for several."""
        event = sent.event
        phase = (event.kind, event.view, event.sequence_number)
        count = self._phases.get(phase, 0)
        self._phases[phase] = count + 1
        if len(self._phases) > MAX_ROUNDS:
            self._phases.popitem(last=False)
        if count < ONE_BY_ONE:
            return False
        bundle = (phase, self._groups[sender], self._groups[receiver])
        row = self._bundles.get(bundle)
        if row is None:
            self._bundles[bundle] = self._length
            return False
        self.folded += 1
        self._columns["records"][row] += 1
        longest = max(self._columns["arrive_s"][row], arrive)
        self._columns["arrive_s"][row] = longest
        self._span(row, self._columns["leave_s"][row], longest + LINGERS_S)
        return True

    def _room(self) -> int:
        if self._length == CAPACITY:
            self._forget_half()
        self._length += 1
        return self._length - 1

    def _forget_half(self) -> None:
        half = CAPACITY // 2
        self.forgotten += int(self._columns["records"][:half].sum())
        numbers = set(self._columns["number"][:half].tolist())
        self.reasons = {n: why for n, why in self.reasons.items() if n not in numbers}
        for column in self._columns.values():
            column[:half] = column[half:].copy()
        self._length = half
        chunks = half // CHUNK
        self._first[:chunks], self._last[:chunks] = self._first[chunks:], self._last[chunks:]
        self._first[chunks:], self._last[chunks:] = np.inf, -np.inf
        self._bundles = {name: row - half for name, row in self._bundles.items() if row >= half}
        self._lacking = {name: row - half for name, row in self._lacking.items() if row >= half}
        for said in self._said.values():
            said.rows = [row - half for row in said.rows if row >= half]
        while len(self.contradictions) > MAX_ROUNDS:
            del self.contradictions[next(iter(self.contradictions))]

    # --- being asked ----------------------------------------------------------------------------

    def under_way(self, t_s: float) -> Rows:
        """The rows that are on screen at ``t_s``: in flight, flashing or falling."""
        chunks = np.flatnonzero((self._first <= t_s) & (self._last >= t_s))
        found = [self._chunk_under_way(int(chunk), t_s) for chunk in chunks]
        chosen = np.concatenate(found) if found else np.zeros(0, np.int64)
        return self.rows.where(chosen)

    def _chunk_under_way(self, chunk: int, t_s: float) -> Numbers:
        rows = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, self._length))
        columns = self._columns
        gone = columns["arrive_s"][rows] + np.where(columns["fate"][rows], FALLS_S, LINGERS_S)
        return rows.start + np.flatnonzero((columns["leave_s"][rows] <= t_s) & (gone >= t_s))

    def votes(self, from_s: float, to_s: float) -> Rows:
        """The votes that were taken and leave within the span: pre-prepares, prepares, commits."""
        chunks = np.flatnonzero((self._first <= to_s) & (self._last >= from_s))
        found = []
        for chunk in chunks.tolist():
            rows = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, self._length))
            leave = self._columns["leave_s"][rows]
            chosen = (leave >= from_s) & (leave <= to_s)
            chosen &= (self._columns["kind"][rows] < _VOTES) & (self._columns["fate"][rows] == 0)
            found.append(rows.start + np.flatnonzero(chosen))
        return self.rows.where(np.concatenate(found) if found else np.zeros(0, np.int64))


def _round_of(sent: Sent) -> object:
    """What names the round whose clock a message is drawn by; its own where it has none."""
    event = sent.event
    if event.kind.removeprefix("passed-on ") in _SLOTTED:
        return (event.view, event.sequence_number)
    if event.kind in _BY_VIEW:
        return ("view", event.view)
    return (event.kind, event.sender, event.sequence_number, sent.sent_s)


def opacity(rows: Rows, t_s: float) -> Floats:
    """How much of each row is seen at ``t_s``: all in flight, less while it flashes or falls."""
    after = t_s - rows.arrive_s
    last = np.where(rows.fate != Fate.TAKEN, FALLS_S, LINGERS_S)
    left: Floats = np.clip(1.0 - np.maximum(after, 0.0) / last, 0.0, 1.0)
    return left
