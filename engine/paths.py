"""Where everything of one run lies: the one place that knows file names.

A run lives in one folder that other users can cross but not list; whatever holds a secret is in a
folder of mode 0700. Unix sockets have short names, because their paths may have 108 bytes at most.

Where processes have machines of their own, they share the run's folder and each has a private one
beside it that no other can open: there lies what would be in the 0700 folders else.
"""

from dataclasses import dataclass
from pathlib import Path

from engine.vocabulary import AgentId, AuthorId, ServiceName

TRACE = "trace.sqlite"
"""What lies beside a ledger under this name is its trace."""
SIGHTINGS = "sightings.sqlite"
TAPE = "tape.sqlite"
DOOR = "otlp.json"
"""And under this one, what the engine saw meanwhile."""


@dataclass(frozen=True)
class RunPaths:
    """The files of one run below ``root``."""

    root: Path
    apart: Path | None = None
    """Folder of what this process alone may open, where it shares ``root`` with other machines."""

    def make(self) -> "RunPaths":
        """Create the folders that do not exist yet."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self.apart is not None:
            return self._make_shared()
        self.root.chmod(0o711)
        for folder in (self.secrets, self.bus, self.engine, self.actuator, self.agents):
            folder.mkdir(mode=0o700, exist_ok=True)
        for folder in (self.public_keys, self.fleet, self.fleet_logs):
            folder.mkdir(mode=0o711, exist_ok=True)
        return self

    def _make_shared(self) -> "RunPaths":
        """The engine's folders, and the one to which every process, under a user of its own, adds."""
        self.make_private(self.secrets, self.engine)
        if not self.public_keys.exists():
            scratch = self.root / "keys.new"
            scratch.mkdir(exist_ok=True)
            # Sticky: everybody may add a file, and nobody may replace another's.
            scratch.chmod(0o1777)
            scratch.rename(self.public_keys)
        return self

    def make_private(self, *folders: Path) -> None:
        """Create folders of this process's own."""
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def private(self) -> Path:
        """Where the folders lie that hold secrets."""
        return self.apart or self.root

    # --- public -------------------------------------------------------------------------------

    @property
    def genesis(self) -> Path:
        """The constitution, public."""
        return self.root / "genesis.json"

    @property
    def charters(self) -> Path:
        """The charters of all later epochs with their proofs, public; none while there is none."""
        return self.root / "charters.json"

    @property
    def manifest(self) -> Path:
        """A copy of the fleet's manifest: what genesis pins."""
        return self.root / "fleet.toml"

    @property
    def policy(self) -> Path:
        """The founding policy, which genesis pins; operators may order another (``engine.charter``)."""
        return self.root / "policy.toml"

    @property
    def settings(self) -> Path:
        """How this run is set up; a rehearsal has none."""
        return self.root / "settings.toml"

    @property
    def public_keys(self) -> Path:
        """Folder of public keys: each author's own process puts its own there."""
        return self.root / "keys"

    def public_key(self, author: AuthorId) -> Path:
        """The public key of one author, in hexadecimal."""
        return self.public_keys / f"{author}.pub"

    # --- secrets: one 0600 file each, in a 0700 folder ------------------------------------------

    @property
    def secrets(self) -> Path:
        """Folder of keys and tokens that belong to no single process folder."""
        return self.private / "secrets"

    @property
    def operator_key(self) -> Path:
        """Private key of the operator who started this run."""
        return self.secrets / "operator.key"

    @property
    def probe_key(self) -> Path:
        """Private key of the SLO probe."""
        return self.secrets / "probe.key"

    @property
    def repair_token(self) -> Path:
        """What the actuator shows to the orchestrator."""
        return self.actuator / "repair.token"

    @property
    def chaos_token(self) -> Path:
        """What a drill shows to the orchestrator; the actuator cannot know it."""
        return self.secrets / "drill.token"

    @property
    def door_token(self) -> Path:
        """Bearer token of those who send telemetry."""
        return self.secrets / "door.token"

    @property
    def drill_note(self) -> Path:
        """There while a drill runs; says that one runs, never what it breaks."""
        return self.secrets / "drill.json"

    @property
    def fleet_door(self) -> Path:
        """Where a rehearsal's fleet finds the engine's door for its spans (JSON: url, token)."""
        return self.fleet / DOOR

    @property
    def stream_token(self) -> Path:
        """Bearer token of the screens."""
        return self.secrets / "stream.token"

    @property
    def issued_tokens(self) -> Path:
        """Folder of the tokens that were signed for others, and of what they allow."""
        return self.secrets / "tokens"

    @property
    def revoked_tokens(self) -> Path:
        """Which of them were taken back."""
        return self.secrets / "revoked"

    # --- sockets --------------------------------------------------------------------------------

    @property
    def repair_socket(self) -> Path:
        """The orchestrator's door for repairs."""
        return self.root / "repair.sock"

    @property
    def chaos_socket(self) -> Path:
        """The orchestrator's door for drills."""
        return self.root / "drill.sock"

    @property
    def freeze_socket(self) -> Path:
        """The actuator's door for freezing, without any quorum."""
        return self.private / "freeze.sock"

    @property
    def swarm_socket(self) -> Path:
        """The engine's door for operators' wishes about the swarm itself."""
        return self.private / "swarm.sock"

    # --- the bus --------------------------------------------------------------------------------

    @property
    def bus(self) -> Path:
        """Folder of the NATS server: configuration, log, and one 0600 credential a user."""
        return self.private / "bus"

    @property
    def bus_key(self) -> Path:
        """The private key with which this process enters a bus that others run."""
        return self.private / "bus.key"

    def bus_member(self, user: str) -> Path:
        """The public half of it, for the servers of that bus."""
        return self.public_keys / f"{user}.bus"

    def bus_credential(self, user: str) -> Path:
        """Where ``user`` finds his bus address and password (JSON: url, user, password)."""
        return self.bus / f"{user}.json"

    # --- processes ------------------------------------------------------------------------------

    @property
    def agents(self) -> Path:
        """Folder of all agents' folders."""
        return self.private / "agents"

    def agent(self, agent: AgentId) -> Path:
        """One agent's folder: key, ledger, log."""
        return self.agents / agent

    def successor(self, agent: AgentId, generation: int) -> Path:
        """The folder of an agent's ``generation``-th successor; the first agent is generation 0."""
        return self.agents / f"{agent}.{generation}" if generation else self.agent(agent)

    def claim(self, agent: AgentId, generation: int) -> Path:
        """What a successor shows of itself before it is ordered in, public."""
        return self.public_keys / f"{agent}.{generation}.claim"

    @property
    def actuator(self) -> Path:
        """The actuator's folder: key, journal, token, log."""
        return self.private / "actuator"

    @property
    def engine(self) -> Path:
        """The engine's folder: its copy of the ledger, the trace, its log."""
        return self.private / "engine"

    @property
    def engine_ledger(self) -> Path:
        """The engine's verified copy of the ledger."""
        return self.engine / "ledger.sqlite"

    @property
    def trace(self) -> Path:
        """Every consensus message as its receiver saw it: unverified, bounded."""
        return self.engine / TRACE

    @property
    def sightings(self) -> Path:
        """What the engine saw of fleet and swarm, second by second: unverified, bounded."""
        return self.engine / SIGHTINGS

    @property
    def tape(self) -> Path:
        """The telemetry of the last hours, from which recordings are cut: unverified, bounded."""
        return self.engine / TAPE

    @property
    def evidence(self) -> Path:
        """Folder of proofs against agents, one file each, for ``main.py verify``."""
        return self.engine / "evidence"

    @property
    def processes(self) -> Path:
        """Which processes the engine keeps running (JSON, for drills and people)."""
        return self.engine / "processes.json"

    @property
    def stream_address(self) -> Path:
        """Where screens connect: one line, ``ws://127.0.0.1:PORT``."""
        return self.engine / "stream.url"

    # --- the fleet ------------------------------------------------------------------------------

    @property
    def fleet(self) -> Path:
        """Scratch folder of the fleet."""
        return self.root / "fleet"

    @property
    def fleet_logs(self) -> Path:
        """Logs of the services, which agents read."""
        return self.fleet / "logs"

    def fleet_log(self, service: ServiceName) -> Path:
        """One service's log: one JSON object a line."""
        return self.fleet_logs / f"{service}.log"

    @property
    def endpoints(self) -> Path:
        """Where the running fleet can be looked at."""
        return self.fleet / "endpoints.json"

    @property
    def probe_log(self) -> Path:
        """What the SLO probe saw, second by second: one JSON object a line."""
        return self.fleet / "probe.log"
