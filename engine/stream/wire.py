"""What travels between the engine and a screen: typed messages and their JSON form (pure).

The protocol is ``controlroom.v1``, in two forms: ``controlroom.v1.bin``, where the server's state,
events, status and replies are binary frames (``engine.stream.binary``), and ``controlroom.v1.json``,
where everything is a JSON text. The server speaks first (``Hello``), the screen answers ``Start`` and
gets a ``Snapshot``, then ``Delta`` after ``Delta``; a delta names the sequence number that it stands
on, so a screen notices when it has missed one and asks to ``Resync``. ``Command`` is the one way
back: bytes that an operator signed, which the server relays and cannot make. docs/stream.md is the
specification for those who write a client in another language.
"""

from enum import StrEnum

import msgspec

from engine.codec import Malformed
from engine.stream.state import (
    AgentRow,
    DeployRow,
    DrillRow,
    IncidentRow,
    LedgerRow,
    LinkRow,
    ScreenState,
    ServiceRow,
    SloRow,
    SwarmRow,
    TimelineEntry,
)
from engine.vocabulary import TraceEvent

BINARY = "controlroom.v1.bin"
"""Name of the WebSocket subprotocol that screens should ask for."""
JSON = "controlroom.v1.json"
"""The same protocol to be read by eye. An incompatible change of either gets a new number."""
CLASSES = (60, 20, 5, 1)
"""Updates a second that can be had: each class costs one encoding, whoever is in it."""
DEFAULT_HZ = 20
MAX_UPSTREAM_BYTES = 1 << 16
"""Longest message that a screen may send: a signed plan approval takes some hundred bytes."""
MAX_DOWNSTREAM_BYTES = 1 << 22
"""Longest message that a screen takes: a snapshot of 200 timeline rows and 50 batches, many times over."""
MAX_COMMAND_BYTES = 1 << 14
"""Longest signed submission inside a ``Command``."""
MAX_NAME = 128
"""Characters of a command's id, key and digest."""


class Message(msgspec.Struct, frozen=True, tag_field="op", omit_defaults=True):
    """One message; its field ``op`` says which. Fields that a reader does not know are ignored."""


# --- from the server ---------------------------------------------------------------------------


class Hello(Message, frozen=True, tag="hello"):
    """The server's first word."""

    protocol: str
    epoch: int
    """Which start of the engine this is: another epoch means that nothing known still holds."""
    hz: tuple[int, ...] = CLASSES
    """The rate classes; ``Start`` names one."""
    lanes: tuple[str, ...] = ()
    """The lanes of events; ``Start`` names those that are wanted."""
    scope: str = ""
    """What the token allows: viewer, operator or admin."""
    limits: dict[str, int] = {}
    """``message`` and ``command`` in bytes, ``ring`` in states, ``events`` kept."""
    columns: dict[str, tuple[str, ...]] = {}
    """For each kind of row, the names of its columns in order: what the binary form leaves out."""


class Snapshot(Message, frozen=True, tag="snapshot"):
    """The whole state as of ``seq``."""

    epoch: int
    seq: int
    state: ScreenState
    gap: bool = False
    """Whether updates were left out before it, because this screen was too slow."""
    skipped: int = 0
    """How many."""


class TimelineGrowth(msgspec.Struct, frozen=True, omit_defaults=True):
    """Forget the ``drop`` oldest entries, then append."""

    drop: int = 0
    append: tuple[TimelineEntry, ...] = ()


class LedgerGrowth(msgspec.Struct, frozen=True, omit_defaults=True):
    """Forget the ``drop`` oldest rows, then append."""

    drop: int = 0
    append: tuple[LedgerRow, ...] = ()


class Changes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What differs between two states; a section that is not there has not changed."""

    at_ms: int
    swarm: SwarmRow | msgspec.UnsetType | None = msgspec.UNSET
    slo: SloRow | msgspec.UnsetType | None = msgspec.UNSET
    drill: DrillRow | msgspec.UnsetType | None = msgspec.UNSET
    incident: IncidentRow | msgspec.UnsetType | None = msgspec.UNSET
    services: dict[str, ServiceRow] = {}
    links: dict[str, LinkRow] = {}
    agents: dict[str, AgentRow] = {}
    gone_services: tuple[str, ...] = ()
    gone_links: tuple[str, ...] = ()
    gone_agents: tuple[str, ...] = ()
    deploys: dict[str, DeployRow] = {}
    gone_deploys: tuple[str, ...] = ()
    timeline: TimelineGrowth = TimelineGrowth()
    ledger: LedgerGrowth = LedgerGrowth()
    notices: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def only_time(self) -> bool:
        """Whether nothing but the time has changed."""
        return self == Changes(at_ms=self.at_ms)


class Delta(Message, frozen=True, tag="delta"):
    """What changed between the state numbered ``base`` and the one numbered ``seq``."""

    epoch: int
    base: int
    seq: int
    changes: Changes


class Reply(Message, frozen=True, tag="reply"):
    """What became of a ``Command``: taken on its way into the log, or not, and why."""

    id: str
    accepted: bool
    reason: str = ""


class Lane(StrEnum):
    """The lanes of events: nothing in them is left out without being told."""

    TIMELINE = "timeline"
    LEDGER = "ledger"
    TRACE = "trace"


LANES = tuple(Lane)


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of one lane; the field that is named like the lane holds it."""

    lane: Lane
    incident: str = ""
    """Key of the incident, for the timeline."""
    timeline: TimelineEntry | None = None
    ledger: LedgerRow | None = None
    trace: TraceEvent | None = None


class Events(Message, frozen=True, tag="events"):
    """What happened on the wanted lanes after event ``after``, up to and with ``upto``."""

    epoch: int
    after: int
    upto: int
    events: tuple[Event, ...]
    """Those of lanes that were not asked for are missing, and only those."""


class EventsLost(Message, frozen=True, tag="events_lost"):
    """The server does not keep the events ``first`` to ``last`` any more."""

    first: int
    last: int


class Status(Message, frozen=True, tag="status"):
    """How the server treats this client now."""

    hz: int
    """Its rate class."""
    reason: str = ""


ServerMessage = Hello | Snapshot | Delta | Events | EventsLost | Status | Reply


# --- from the screen ---------------------------------------------------------------------------


class Resume(msgspec.Struct, frozen=True):
    """What a client that comes back still has."""

    epoch: int
    seq: int = 0
    """The last state that it folded; 0 where it has none."""
    eseq: int = 0
    """The last event that it has seen."""


class Start(Message, frozen=True, tag="start"):
    """The screen is ready for a snapshot, or to go on where it was."""

    hz: int = DEFAULT_HZ
    """The class with at most so many updates a second."""
    lanes: tuple[Lane, ...] = ()
    resume: Resume | None = None
    """Without it, events begin with the next one."""


class Ack(Message, frozen=True, tag="ack"):
    """Said once a second: what has been shown, whatever the buffers between us still hold."""

    seq: int
    eseq: int = 0
    lag_ms: int = 0


class Resync(Message, frozen=True, tag="resync"):
    """The screen has missed something and asks for a snapshot."""


class Command(Message, frozen=True, tag="command"):
    """An operator's signed submission, to be relayed as it is."""

    id: str
    """The operation's ``command``, so that the reply can be told apart."""
    payload: bytes
    """The encoded ``Signed`` submission, or order of a deployment or a drill."""
    key: str = ""
    """Names the wish rather than the message: the same key gets the same reply and happens once."""
    seen: str = ""
    """Hexadecimal digest of the plan that the operator saw, where the command is about a plan."""
    about: str = ""
    """``deploy`` for a signed ``DeployOrder``, ``drill`` for a ``DrillOrder``; empty for the log."""


ClientMessage = Start | Resync | Ack | Command

_encoder = msgspec.json.Encoder()
_from_server = msgspec.json.Decoder(ServerMessage)
_from_client = msgspec.json.Decoder(ClientMessage)


def encode_message(message: ServerMessage | ClientMessage) -> bytes:
    """The JSON bytes of a message. Numbers in it must be finite."""
    return _encoder.encode(message)


def decode_from_server(data: bytes | str) -> ServerMessage:
    """The server's message in ``data``.

    Raises:
        Malformed: not JSON, of another shape, or too long.
    """
    if len(data) > MAX_DOWNSTREAM_BYTES:
        raise Malformed(f"{len(data)} bytes are over the limit of {MAX_DOWNSTREAM_BYTES}")
    try:
        message: ServerMessage = _from_server.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(f"no message of controlroom.v1: {error}") from None
    return message


def decode_from_client(data: bytes | str) -> ClientMessage:
    """The screen's message in ``data``.

    Raises:
        Malformed: not JSON, of another shape, or too long.
    """
    if len(data) > MAX_UPSTREAM_BYTES:
        raise Malformed(f"{len(data)} bytes are over the limit of {MAX_UPSTREAM_BYTES}")
    try:
        message: ClientMessage = _from_client.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(f"no message of controlroom.v1: {error}") from None
    if isinstance(message, Command) and len(message.payload) > MAX_COMMAND_BYTES:
        raise Malformed(f"a command of {len(message.payload)} bytes is over {MAX_COMMAND_BYTES}")
    if (
        isinstance(message, Command)
        and max(map(len, (message.id, message.key, message.seen, message.about))) > MAX_NAME
    ):
        raise Malformed(
            f"id, key, seen and about of a command have at most {MAX_NAME} characters each"
        )
    return message
