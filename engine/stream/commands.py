"""An operator's commands, signed with his own key where he sits: the engine only relays them."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.codec import digest_of, encode
from engine.genesis import Genesis
from engine.genesis import read as read_genesis
from engine.ledger.charters import CHARTERS, read_charters
from engine.signing import Domain, Ed25519Signer, Ed25519Verifier, KeyFileError, Signer
from engine.stream import deploying, drilling
from engine.stream.deploying import DeployOrder, DeployVerb
from engine.stream.drilling import DrillOrder
from engine.stream.orders import HOLDS_MS
from engine.stream.state import IncidentRow
from engine.stream.wire import Command
from engine.vocabulary import (
    MAX_TEXT,
    AgentId,
    Approved,
    AuthorId,
    CommandId,
    Configured,
    Digest,
    Frozen,
    IncidentKey,
    Noted,
    Operation,
    Refused,
    Replaced,
    Signed,
    Submission,
    TakenOver,
    Thawed,
    UndoRequested,
)


class Shown(msgspec.Struct, frozen=True):
    """Exactly what an operator had before his eyes when he decided."""

    incident: IncidentKey
    version: int
    plan: str
    """Hexadecimal digest of the plan; empty where there was none."""
    not_after_ms: int

    @classmethod
    def of(cls, row: IncidentRow) -> "Shown":
        """What ``row`` shows."""
        return cls(IncidentKey(row.key), row.version, row.plan_digest, row.not_after_ms)

    @property
    def plan_digest(self) -> Digest:
        """The plan's digest as bytes."""
        return Digest(bytes.fromhex(self.plan))


class Operator:
    """Signs in the name of one operator; his commands carry rising numbers that name them for ever."""

    def __init__(
        self, name: AuthorId, signer: Signer, cluster: Digest, epoch: int | Callable[[], int]
    ) -> None:
        """``epoch`` is the one that is signed for, or says which that is now."""
        self.name = name
        self._signer = signer
        self._cluster = cluster
        self._epoch = epoch
        self._counter = 0

    @classmethod
    def load(cls, key: Path, genesis: Path) -> "Operator":
        """The operator whose private key lies in the file ``key``.

        Raises:
            KeyFileError: the key cannot be used, or the cluster's genesis does not know it.
            Malformed: the genesis cannot be read.
        """
        signer = Ed25519Signer.load(key)
        constitution = read_genesis(genesis)
        name = _name_of(signer, constitution, key)
        charters = genesis.with_name(CHARTERS)

        def newest() -> int:
            return read_charters(charters, constitution, Ed25519Verifier())[-1].epoch

        return cls(name, signer, constitution.cluster, newest)

    @property
    def epoch(self) -> int:
        """The epoch that is signed for now.

        Raises:
            Malformed: the file that says so is damaged.
        """
        return self._epoch if isinstance(self._epoch, int) else self._epoch()

    @property
    def signer(self) -> Signer:
        """The operator's own key."""
        return self._signer

    @property
    def cluster(self) -> Digest:
        """The cluster whose operator this is."""
        return self._cluster

    def approve(self, shown: Shown, now_ms: int) -> Command:
        """Yes to exactly the plan that was shown, for as long as that plan may be carried out."""
        command = self._next(now_ms)
        until_ms = shown.not_after_ms
        return self._signed(
            command,
            Approved(command, shown.incident, shown.version, shown.plan_digest, until_ms),
            shown.plan,
        )

    def refuse(self, shown: Shown, now_ms: int) -> Command:
        """No to exactly the plan that was shown."""
        command = self._next(now_ms)
        return self._signed(
            command,
            Refused(command, shown.incident, shown.version, shown.plan_digest),
            shown.plan,
        )

    def undo(self, shown: Shown, now_ms: int) -> Command:
        """Fire the undo of the plan that was shown and carried out."""
        command = self._next(now_ms)
        return self._signed(
            command,
            UndoRequested(command, shown.incident, shown.version, shown.plan_digest),
            shown.plan,
        )

    def take_over(self, shown: Shown, now_ms: int) -> Command:
        """Take the incident out of the swarm's hands."""
        command = self._next(now_ms)
        return self._signed(command, TakenOver(command, shown.incident, shown.version))

    def note(self, incident: IncidentKey, text: str, now_ms: int) -> Command:
        """A remark for the record.

        Raises:
            ValueError: the text is empty or longer than ``MAX_TEXT``.
        """
        if not 0 < len(text) <= MAX_TEXT:
            raise ValueError(f"a note has 1 to {MAX_TEXT} characters, this one has {len(text)}")
        command = self._next(now_ms)
        return self._signed(command, Noted(command, incident, text))

    def freeze(self, now_ms: int) -> Command:
        """Stop all automation."""
        command = self._next(now_ms)
        return self._signed(command, Frozen(command))

    def thaw(self, now_ms: int) -> Command:
        """Let automation go on."""
        command = self._next(now_ms)
        return self._signed(command, Thawed(command))

    def deploy(
        self, verb: DeployVerb, environment: str, now_ms: int, *, plan: str = "", typed: str = ""
    ) -> Command:
        """Have something done to an environment; ``plan`` is the digest that was shown."""
        command = self._next(now_ms)
        order = encode(
            DeployOrder(
                self._cluster,
                self.name,
                self._counter,
                verb,
                environment,
                plan,
                typed,
                now_ms + HOLDS_MS,
            )
        )
        payload = encode(Signed(order, self._signer.sign(Domain.DEPLOYMENT, order)))
        return Command(command, payload, key=command, seen=plan, about=deploying.ABOUT)

    def drill(self, experiment: str, seed: int, now_ms: int) -> Command:
        """Have an experiment done to the fleet."""
        command = self._next(now_ms)
        until_ms = now_ms + HOLDS_MS
        order = encode(
            DrillOrder(self._cluster, self.name, self._counter, experiment, seed, until_ms)
        )
        payload = encode(Signed(order, self._signer.sign(Domain.DRILL, order)))
        return Command(command, payload, key=command, about=drilling.ABOUT)

    def replace(self, agent: AgentId, public_key: bytes, claim: bytes, now_ms: int) -> Command:
        """Order the new key ``public_key`` in for ``agent``; ``claim`` proves who holds it."""
        command = self._next(now_ms)
        return self._signed(command, Replaced(command, agent, public_key, claim))

    def configure(self, rules: bytes, now_ms: int) -> Command:
        """Order the policy whose encoding is ``rules``, from the next epoch on."""
        command = self._next(now_ms)
        return self._signed(command, Configured(command, rules))

    def _next(self, now_ms: int) -> CommandId:
        # The wall clock keeps numbers rising across restarts of the screen, without a file.
        self._counter = max(self._counter + 1, now_ms)
        return CommandId(f"{self.name}-{self._counter}")

    def _signed(self, command: CommandId, operation: Operation, seen: str = "") -> Command:
        submission = encode(
            Submission(self._cluster, self.epoch, self.name, self._counter, (operation,))
        )
        signature = self._signer.sign(Domain.SUBMISSION, submission)
        return Command(command, encode(Signed(submission, signature)), key=command, seen=seen)


def fingerprint(public_key: bytes) -> str:
    """First 12 hexadecimal digits of a key's digest, for people to compare."""
    return digest_of("fingerprint", public_key).hex()[:12]


def _name_of(signer: Signer, genesis: Genesis, key: Path) -> AuthorId:
    for name, public_key in genesis.operators.items():
        if public_key == signer.public_key:
            return name
    raise KeyFileError(
        f"{key}: cluster {genesis.name} knows no operator with this key "
        f"({fingerprint(signer.public_key)}); use the key of the run's own operator"
    )
