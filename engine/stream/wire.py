"""What travels between the engine and a screen: typed messages and their JSON form (pure).

The protocol is named ``controlroom.v1.json``. The server speaks first (``Hello``), the screen
answers ``Start`` and gets a ``Snapshot``, then ``Delta`` after ``Delta``; a delta names the
sequence number that it stands on, so a screen notices when it has missed one and asks to
``Resync``. ``Command`` is the one way back: bytes that an operator signed, which the server relays
and cannot make.
"""

import msgspec

from engine.codec import Malformed
from engine.stream.state import (
    AgentRow,
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

PROTOCOL = "controlroom.v1.json"
"""Name of the WebSocket subprotocol; an incompatible change gets a new number."""
MAX_UPSTREAM_BYTES = 1 << 16
"""Longest message that a screen may send: a signed plan approval takes some hundred bytes."""
MAX_DOWNSTREAM_BYTES = 1 << 22
"""Longest message that a screen takes: a snapshot of 200 timeline rows and 50 batches, many times over."""
MAX_COMMAND_BYTES = 1 << 14
"""Longest signed submission inside a ``Command``."""


class Message(msgspec.Struct, frozen=True, tag_field="op", omit_defaults=True):
    """One message; its field ``op`` says which. Fields that a reader does not know are ignored."""


# --- from the server ---------------------------------------------------------------------------


class Hello(Message, frozen=True, tag="hello"):
    """The server's first word."""

    protocol: str
    epoch: int
    """Which start of the engine this is: another epoch means that nothing known still holds."""
    hz: int
    """Most updates a second that will come."""


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


ServerMessage = Hello | Snapshot | Delta | Reply


# --- from the screen ---------------------------------------------------------------------------


class Start(Message, frozen=True, tag="start"):
    """The screen is ready for a snapshot."""


class Resync(Message, frozen=True, tag="resync"):
    """The screen has missed something and asks for a snapshot."""


class Command(Message, frozen=True, tag="command"):
    """An operator's signed submission, to be relayed as it is."""

    id: str
    """The operation's ``command``, so that the reply can be told apart."""
    payload: bytes
    """The encoded ``Signed`` submission."""


ClientMessage = Start | Resync | Command

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
        raise Malformed(f"no message of {PROTOCOL}: {error}") from None
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
        raise Malformed(f"no message of {PROTOCOL}: {error}") from None
    if isinstance(message, Command) and len(message.payload) > MAX_COMMAND_BYTES:
        raise Malformed(f"a command of {len(message.payload)} bytes is over {MAX_COMMAND_BYTES}")
    return message
