"""The timelines of the newest incidents, and the tail of the ledger (pure)."""

from collections import deque
from collections.abc import Sequence

from engine.certificate import certificate_digest
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.council import Council, Happening, voting
from engine.council.state import Incident
from engine.stream.state import LedgerRow, TimelineEntry
from engine.stream.wire import Event, Lane
from engine.vocabulary import (
    Acted,
    Digest,
    Entry,
    IncidentKey,
    Undone,
    Verdict,
)
from engine.wording import describe

MAX_ENTRIES = 200
MAX_BATCHES = 50
MAX_NEWS = 65_536
"""As many as the stream keeps."""
MAX_INCIDENTS = 8
"""Incidents whose timelines are kept."""
MAX_OPERATIONS = 12
"""Operations of one batch that are named; the others are counted."""
_SAID_BY_ITS_CONSEQUENCE = frozenset({"certified", "elapsed", "probed", "acted on"})
_SHORTER = {"awaiting approval": "asks"}
"""Kinds stand in a narrow column."""
_EVERYWHERE = frozenset({"frozen", "thawed", "convicted", "replaced", "configured", "epoch"})


class Story:
    """What happened, incident by incident, with the time at which the engine learnt of it."""

    def __init__(self, council: Council) -> None:
        self._council = council
        self._epochs = Epochs(Committee(council.genesis, council.verifier))
        self._by_certificate: dict[Digest, IncidentKey] = {}
        self._timelines: dict[IncidentKey, deque[TimelineEntry]] = {}
        self._batches: deque[LedgerRow] = deque(maxlen=MAX_BATCHES)
        self.opened_ms: dict[IncidentKey, int] = {}
        self.closed_ms: dict[IncidentKey, int] = {}
        self.news: deque[Event] = deque(maxlen=MAX_NEWS)
        """Entries and batches in the order in which they came, until somebody takes them."""
        self.certificates: dict[IncidentKey, Digest] = {}
        """The newest complete certificate of each incident."""

    def ordered(self, entry: Entry, happenings: Sequence[Happening], received_ms: int) -> None:
        """Take in the next entry and what the council made of it."""
        self._epochs.take(entry)
        batch = LedgerRow(
            entry.sequence_number,
            entry.view,
            received_ms,
            _operations(happenings),
            self._epochs.head[1].hex()[:12],
        )
        self._batches.append(batch)
        self.news.append(Event(Lane.LEDGER, ledger=batch))
        for happening in happenings:
            self._tell(happening, received_ms)

    def timeline(self, key: IncidentKey) -> tuple[TimelineEntry, ...]:
        """What happened in an incident, oldest first."""
        return tuple(self._timelines.get(key, ()))

    def ledger(self) -> tuple[LedgerRow, ...]:
        """The newest batches."""
        return tuple(self._batches)

    # --- telling --------------------------------------------------------------------------------

    def _tell(self, happening: Happening, at_ms: int) -> None:
        key = self._incident_of(happening)
        if key is not None:
            self._note_times(happening, key, at_ms)
        said = self._said(happening, key)
        if said is None:
            return
        kind, who, text = said
        did = happening.operation
        outcome = str(did.outcome) if isinstance(did, Acted | Undone) else ""
        row = TimelineEntry(at_ms, happening.sequence_number, kind, who, text, outcome)
        everywhere = key is None and happening.kind in _EVERYWHERE
        for timeline in self._where(key, everywhere=everywhere):
            timeline.append(row)
        self.news.append(Event(Lane.TIMELINE, key or "", timeline=row))

    def _where(self, key: IncidentKey | None, *, everywhere: bool) -> list[deque[TimelineEntry]]:
        if everywhere:
            return [
                self._timelines[incident.key]
                for incident in self._council.open_incidents
                if incident.key in self._timelines
            ]
        if key is None:
            return []
        if key not in self._timelines:
            self._timelines[key] = deque(maxlen=MAX_ENTRIES)
            while len(self._timelines) > MAX_INCIDENTS:
                self._forget(next(iter(self._timelines)))
        return [self._timelines[key]]

    def _forget(self, key: IncidentKey) -> None:
        del self._timelines[key]
        for times in (self.opened_ms, self.closed_ms):
            times.pop(key, None)
        self.certificates.pop(key, None)
        for digest in [digest for digest, its in self._by_certificate.items() if its == key]:
            del self._by_certificate[digest]

    def _incident_of(self, happening: Happening) -> IncidentKey | None:
        if isinstance(happening.operation, Acted | Undone):
            return self._by_certificate.get(happening.operation.certificate)
        if happening.kind == "ignored" and happening.incident not in self._timelines:
            return None
        return happening.incident

    def _note_times(self, happening: Happening, key: IncidentKey, at_ms: int) -> None:
        if happening.kind == "opened":
            self.opened_ms.setdefault(key, at_ms)
        elif happening.kind == "closed":
            self.closed_ms[key] = at_ms
        incident = self._council.incidents.get(key)
        if incident is None:
            return
        attempt = incident.attempt
        if happening.kind == "decided" and attempt.body is not None:
            self._by_certificate[certificate_digest(attempt.body)] = key
        elif happening.kind == "certificate" and attempt.certificate is not None:
            self.certificates[key] = certificate_digest(attempt.certificate.body)

    def _said(self, happening: Happening, key: IncidentKey | None) -> tuple[str, str, str] | None:
        """Kind, author and words of a timeline entry; nothing where it deserves none."""
        kind, who, operation = happening.kind, str(happening.author), happening.operation
        if kind in _SAID_BY_ITS_CONSEQUENCE:
            return None
        if kind == "ignored":
            # What agents say too late is no news; a person must learn that he was not heard.
            if operation is None or happening.author not in self._council.genesis.operators:
                return None
            tag = str(operation.__struct_config__.tag)
            return tag, who, f"without effect: {happening.note}"
        if operation is not None:
            return kind, who, describe(operation)
        return _SHORTER.get(kind, kind), "council", self._consequence(happening, key)

    def _consequence(self, happening: Happening, key: IncidentKey | None) -> str:
        incident = self._council.incidents.get(key) if key is not None else None
        if incident is None:
            return happening.note
        match happening.kind:
            case "open":
                return f"{len(incident.witnesses)} agents see it: it is an incident"
            case "awaiting approval":
                return "enough agents accept; policy wants an operator's yes"
            case "decided":
                return self._counted(incident)
            case "certificate":
                attempt, genesis = incident.attempt, self._council.genesis
                name = self.certificates.get(incident.key, b"").hex()[:12]
                return f"{name} signed by {len(attempt.signatures)} of {genesis.n}"
            case "attempt":
                return f"attempt {incident.attempt.number}: {happening.note}"
            case "undoing":
                return "the undo is fired"
            case _:
                return happening.note

    def _counted(self, incident: Incident) -> str:
        proposal = incident.attempt.live
        genesis = self._council.genesis
        if proposal is None:
            return ""
        needed = voting.threshold_of(proposal.plan.risk, genesis)
        accepts = proposal.count(Verdict.ACCEPT)
        return f"accepted by {accepts} of {genesis.n} ({needed} needed)"


def _operations(happenings: Sequence[Happening]) -> tuple[str, ...]:
    named = [
        f"{happening.author}: {happening.operation.__struct_config__.tag}"
        + (" (ignored)" if happening.kind == "ignored" else "")
        for happening in happenings
        if happening.operation is not None
    ]
    if len(named) > MAX_OPERATIONS:
        return (*named[:MAX_OPERATIONS], f"council: {len(named) - MAX_OPERATIONS} more")
    return tuple(named)
