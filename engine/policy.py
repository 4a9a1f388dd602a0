"""How much the swarm may do alone, for how long, and how often: one file, pinned by genesis.

What operators order instead of it later is in the charter of the epoch (``engine.charter``).
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from engine.codec import Malformed, decode, digest_of, encode
from engine.vocabulary import Digest, Policy, Risk


class Automation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy for each risk."""

    low: Policy = Policy.AUTO
    medium: Policy = Policy.ASK
    high: Policy = Policy.ASK

    def mode(self, risk: Risk) -> Policy:
        """The policy for ``risk``."""
        return {Risk.LOW: self.low, Risk.MEDIUM: self.medium, Risk.HIGH: self.high}[risk]


Count = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
Span = Annotated[int, msgspec.Meta(ge=100, le=24 * 3_600_000)]
"""Milliseconds: a tenth of a second to a day."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often."""

    attempts: Count = 4
    """Repairs tried in one incident before it is handed over to people."""
    repeats: Count = 1
    """How often the same action on the same run of a service may be tried in one incident."""
    actions_per_ten_minutes: Count = 8
    """Of the actuator, over everything that it does; more waits for a person."""


class Spans(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long what was decided may still be carried out, in ms."""

    auto_ms: Span = 60_000
    """How far ``not_after_ms`` of a plan may lie ahead of an agent's clock when it signs."""
    ask_ms: Span = 900_000
    """The same, where an operator has to approve."""
    undo_ms: Span = 300_000
    """After an action, how long agents may fire its undo; an operator always may."""

    def of(self, mode: Policy) -> int:
        """The span under ``mode``."""
        return self.ask_ms if mode is Policy.ASK else self.auto_ms


class Patience(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long each agent waits for a step, by its own monotonic clock, before ``Elapsed``."""

    corroborate_ms: Span = 15_000
    diagnose_ms: Span = 10_000
    propose_ms: Span = 5_000
    assess_ms: Span = 5_000
    certify_ms: Span = 8_000
    recover_ms: Span = 30_000


class Handover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people are told of what the swarm cannot mend; both ways where both are named."""

    command: tuple[str, ...] = ()
    """Program and arguments, run without a shell; it gets one JSON object on standard input."""
    webhook: str = ""
    """Address that gets the same object by POST; https, or http on this machine."""
    within_ms: int = 10_000
    """How long the command or the webhook may take before it counts as failed."""

    def __post_init__(self) -> None:
        """Refuse what could not be carried out when it is needed."""
        if self.command and not self.command[0]:
            raise ValueError("handover.command names no program")
        parts = urlsplit(self.webhook)
        near = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if self.webhook and not (parts.hostname and (parts.scheme == "https" or near)):
            raise ValueError("handover.webhook must be https, or http on this machine")
        if not 0 < self.within_ms <= 60_000:
            raise ValueError("handover.within_ms must be 1 to 60000")


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy file."""

    automation: Automation = Automation()
    limits: Limits = Limits()
    spans: Spans = Spans()
    patience: Patience = Patience()
    handover: Handover = Handover()

    @property
    def digest(self) -> Digest:
        """What genesis pins, and what every certificate names."""
        return digest_of("policy", self.encoded)

    @property
    def encoded(self) -> bytes:
        """What is signed and digested."""
        return encode(self)

    @property
    def ordered(self) -> "Rules":
        """What of these can be ordered in the log: all but how people are told."""
        return msgspec.structs.replace(self, handover=Handover())

    def in_words(self) -> str:
        """For a screen: ``low auto, medium ask, high ask``."""
        modes = self.automation
        return f"low {modes.low}, medium {modes.medium}, high {modes.high}"


def changes_in_words(before: Rules, after: Rules) -> tuple[str, ...]:
    """What can be ordered and differs: ``automation.medium auto (was ask)``; empty when nothing."""
    old: dict[str, dict[str, object]] = msgspec.to_builtins(before.ordered)
    new: dict[str, dict[str, object]] = msgspec.to_builtins(after.ordered)
    return tuple(
        f"{section}.{name} {value} (was {old[section][name]})"
        for section, values in new.items()
        for name, value in values.items()
        if value != old[section][name]
    )


DRILL_RULES = Rules(automation=Automation(low=Policy.AUTO, medium=Policy.AUTO, high=Policy.AUTO))
"""Drills, and runs without a terminal, use auto for all risks, and say so."""


MAX_ORDERED_BYTES = 2048
"""What stands in the log for ever is small: all fields at their longest take some 400 bytes."""


def ordered_rules(data: bytes) -> Rules:
    """The rules that an operator orders with their encoding ``data``.

    A hand-over is refused: a webhook's address is often a secret, which the log would keep for ever,
    and the program that it runs is for whoever owns the engine's machine to choose.

    Raises:
        Malformed: they are none, or name a hand-over.
    """
    if len(data) > MAX_ORDERED_BYTES:
        raise Malformed(f"{len(data)} bytes; {MAX_ORDERED_BYTES} are allowed")
    rules = decode(data, Rules)
    if rules != rules.ordered:
        raise Malformed("handover: how people are told is not ordered in the log")
    return rules


def read_rules(path: Path) -> Rules:
    """The rules in a TOML file.

    Raises:
        Malformed: the file is missing or wrong; names the file, the place and the remedy.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Rules)
    except OSError as error:
        raise Malformed(f"{path}: cannot read the policy: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{path}: no TOML: {error}; write it anew") from None
    except msgspec.ValidationError as error:
        raise Malformed(f"{path}: {error}; modes are observe, ask and auto") from None


def write_rules(rules: Rules, path: Path) -> None:
    """Write ``rules`` as TOML that ``read_rules`` reads back as the same value."""
    lines: list[str] = []
    for section, values in msgspec.to_builtins(rules).items():
        lines.append(f"[{section}]")
        # Strings, numbers and lists of strings are written in TOML as in JSON.
        lines += [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in values.items()]
        lines.append("")
    path.write_text("\n".join(lines))
