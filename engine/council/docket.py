"""What the council has in hand: the state that operations are counted into, and how it is asked.

The stages of an incident (``seeing``, ``planning``, ``deciding``, ``acting``, ``closing``,
``elapsing``, ``commanding``, ``convicting``) are modules of plain functions over a ``Docket``. A
function first checks everything, raising ``Ignored``, and only then changes anything: of an ignored
operation nothing stays in the state, but for the id of an operator's command.
"""

from collections.abc import Callable, Iterable, Sequence

from engine.charter import Changes
from engine.codec import digest_of, encode
from engine.council.state import Attempt, Happening, Incident, ProbeState, in_order
from engine.genesis import Genesis
from engine.policy import Rules
from engine.quorum import checkpoint_period_of
from engine.signing import Verifier
from engine.topology import Manifest
from engine.vocabulary import (
    AgentId,
    AuthorId,
    CommandId,
    Convicted,
    Digest,
    IncidentKey,
    Operation,
    Warned,
)

Convict = Callable[[Convicted, Sequence[Genesis]], bool]
"""Whether the two messages really convict the culprit, by the constitutions of all epochs so far:
consensus's own evidence check."""


class Ignored(Exception):
    """The operation does not count; the message says why. No error: the log may hold such."""


class Contradicted(Ignored):
    """Ignored, and proof against its author, who signed two different answers to one question."""


class Docket:
    """The state of everything that the council has in hand."""

    def __init__(
        self,
        genesis: Genesis,
        rules: Rules,
        manifest: Manifest,
        verifier: Verifier,
        convict: Convict,
        period: int | None = None,
    ) -> None:
        """Begin at genesis, with the rules and the manifest that it pins.

        ``period`` is consensus's between checkpoints, where it is not the usual one.
        """
        self.cluster = genesis.cluster
        """The id of the cluster, the same in all epochs."""
        self.constitutions: list[Genesis] = [genesis]
        """The genesis and the charter of every epoch since."""
        self.changes = Changes(
            genesis, verifier, period or checkpoint_period_of(genesis.n, genesis.f)
        )
        self.rules = rules
        self.manifest = manifest
        self.verifier = verifier
        self.convict = convict
        self.sequence_number = 0
        """Of the batch that is being applied, or was applied last."""
        self.frozen = False
        self.incidents: dict[IncidentKey, Incident] = {}
        self.closed = 0
        """Incidents closed so far, also those no longer kept."""
        self.opened = 0
        """Incidents claimed so far; the running number of the newest."""
        self.probes: dict[str, ProbeState] = {}
        self.warnings: dict[IncidentKey, dict[AuthorId, Warned]] = {}
        """Forecasts about open incidents, and about those that may come next."""
        self.convicted: set[AgentId] = set()
        self.excess: set[AgentId] = set()
        """Proven liars beyond f, whose voices are not taken: the model is violated, and the
        replicas halt."""
        self.commands: dict[AuthorId, dict[CommandId, None]] = {}
        """Each operator's newest command ids, oldest first."""
        self.author = AuthorId("")
        """Whose operation is being counted."""
        self.signed = b""
        """The encoded ``Signed`` submission that it came in."""
        self._happenings: list[Happening] = []

    # --- questions ------------------------------------------------------------------------------

    @property
    def genesis(self) -> Genesis:
        """The constitution of the present epoch: the genesis, or the newest charter."""
        return self.constitutions[-1]

    @property
    def open_incidents(self) -> list[Incident]:
        """Incidents that are not closed, oldest first."""
        return [incident for incident in self.incidents.values() if not incident.status.is_closed]

    @property
    def proven(self) -> frozenset[AgentId]:
        """Everyone whom the log proves to have lied."""
        return frozenset(self.convicted | self.excess)

    def next_key(self, subject: str) -> IncidentKey:
        """The key that a new incident about ``subject`` would have."""
        return IncidentKey(f"{self.manifest.name}/{subject}#{self.opened + 1}")

    def digest(self) -> Digest:
        """A digest of the whole state: equal in all agents that applied the same log."""
        return digest_of(
            "council",
            encode((self.sequence_number, self.frozen, self.opened, self.closed)),
            encode((self.genesis.epoch, self.changes.first, self.rules.digest)),
            *(
                encode(in_order(part))
                for part in (
                    self.incidents,
                    self.probes,
                    self.warnings,
                    self.convicted,
                    self.excess,
                    self.changes.ordered,
                    self.commands,
                )
            ),
        )

    def says_enough(self, voices: Iterable[AuthorId]) -> bool:
        """Whether f+1 distinct agents say so: at least one of them is honest."""
        return len(set(voices)) > self.genesis.f

    # --- lookups that an operation depends on ---------------------------------------------------

    def incident(self, key: IncidentKey) -> Incident:
        """The open incident ``key``."""
        incident = self.incidents.get(key)
        if incident is None or incident.status.is_closed:
            raise Ignored("no such open incident")
        return incident

    def seen(self, key: IncidentKey, version: int) -> Incident:
        """The incident, if it is still what the operator saw."""
        incident = self.incident(key)
        if incident.version != version:
            raise Ignored(f"the incident is at version {incident.version}, not {version}")
        return incident

    def current(self, key: IncidentKey, attempt: int) -> tuple[Incident, Attempt]:
        """The incident and its attempt, if that is the one under way."""
        incident = self.incident(key)
        if incident.attempt.number != attempt:
            raise Ignored("not about the attempt under way")
        return incident, incident.attempt

    # --- what follows ---------------------------------------------------------------------------

    def tell(
        self,
        kind: str,
        key: IncidentKey | None = None,
        operation: Operation | None = None,
        note: str = "",
    ) -> None:
        """Tell of one thing that the operation under count was, or led to."""
        self._happenings.append(
            Happening(self.sequence_number, kind, self.author, key, operation, note)
        )

    def told(self) -> list[Happening]:
        """What was told since the last call."""
        happenings, self._happenings = self._happenings, []
        return happenings
