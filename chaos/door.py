"""The orchestrator's door for drills: what is said there, and how to say it.

One request is one line of JSON on a connection of its own, one line answers it. Its token is
another one than the actuator's, and neither opens the other's door.
"""

import socket
from typing import Literal

import msgspec

from chaos.faults.fault import Effect, Fault
from chaos.integrity import Integrity
from engine.act.fleet import MAX_LINE_BYTES, exchange
from engine.paths import RunPaths
from engine.topology import FleetStatus

ANSWER_WITHIN_S = 40.0
"""Injecting a release is bounded at about 20 s."""


FleetResponder = Literal["off", "restart", "runbook"]
"""Nobody; a liveness supervisor; the same with a script that the SLO probe pages."""


class AskState(msgspec.Struct, frozen=True, tag="state", forbid_unknown_fields=True):
    """What runs now."""


class Inject(msgspec.Struct, frozen=True, tag="inject", forbid_unknown_fields=True):
    """Put a fault in; the id is chosen by the one who asks, and injected once."""

    id: str
    fault: Fault


class AskEffect(msgspec.Struct, frozen=True, tag="effect", forbid_unknown_fields=True):
    """What the fault's own probe says."""

    id: str


class Undo(msgspec.Struct, frozen=True, tag="undo", forbid_unknown_fields=True):
    """Take a fault out, if it is still in."""

    id: str


class UndoAll(msgspec.Struct, frozen=True, tag="undo-all", forbid_unknown_fields=True):
    """Take out whatever is in."""


class Respond(msgspec.Struct, frozen=True, tag="respond", forbid_unknown_fields=True):
    """Let one of the fleet's own responders work, or none of them."""

    responder: FleetResponder


class Traffic(msgspec.Struct, frozen=True, tag="traffic", forbid_unknown_fields=True):
    """Let the customers come, or stay away; orders under way are still settled."""

    on: bool


class AskIntegrity(msgspec.Struct, frozen=True, tag="integrity", forbid_unknown_fields=True):
    """Compare what customers were told with what the database holds."""


DrillVerb = AskState | Inject | AskEffect | Undo | UndoAll | Respond | Traffic | AskIntegrity


class DrillRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line that a drill sends."""

    token: str
    verb: DrillVerb


class DrillAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line that the orchestrator answers; which field is set depends on the verb."""

    refused: str = ""
    status: FleetStatus | None = None
    effect: Effect | None = None
    integrity: Integrity | None = None
    interventions: int = 0
    """How often the fleet's own responders have restarted or rolled back something."""


class DrillDoor:
    """Says one thing at a time at the door of one run's fleet."""

    def __init__(self, paths: RunPaths) -> None:
        """Talk to the fleet of the run at ``paths``."""
        self._socket = paths.chaos_socket
        self._token_file = paths.chaos_token

    def _request(self, verb: DrillVerb) -> bytes:
        return msgspec.json.encode(DrillRequest(self._token_file.read_text().strip(), verb))

    async def say(self, verb: DrillVerb) -> DrillAnswer:
        """What the orchestrator answers.

        Raises:
            OSError: it cannot be reached, or refuses.
        """
        return self._answer(await exchange(self._socket, self._request(verb)))

    def say_now(self, verb: DrillVerb, within_s: float = ANSWER_WITHIN_S) -> DrillAnswer:
        """The same without an event loop: for the watchdog; raises as ``say`` does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(within_s)
            connection.connect(str(self._socket))
            connection.sendall(self._request(verb) + b"\n")
            line = b""
            while not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
                data = connection.recv(65_536)
                if not data:
                    raise ConnectionError(f"{self._socket}: closed before it answered")
                line += data
        return self._answer(line)

    def _answer(self, line: bytes) -> DrillAnswer:
        try:
            answer = msgspec.json.decode(line, type=DrillAnswer)
        except msgspec.DecodeError as error:
            raise ConnectionError(f"{self._socket}: not an answer: {error}") from None
        if answer.refused:
            raise PermissionError(f"{self._socket}: refused: {answer.refused}")
        return answer
