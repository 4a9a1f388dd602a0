"""What a fault is, what putting it in leaves to remember, and what it may touch."""

from typing import Protocol

import msgspec

from engine.vocabulary import Generation


class KillService(msgspec.Struct, frozen=True, tag="kill", forbid_unknown_fields=True):
    """The process of a service is ended with SIGKILL."""

    service: str


class DeployRelease(msgspec.Struct, frozen=True, tag="deploy", forbid_unknown_fields=True):
    """Another release of a service goes live."""

    service: str
    release: str


class LeakFiles(msgspec.Struct, frozen=True, tag="leak", forbid_unknown_fields=True):
    """A release goes live that opens files and never closes them."""

    service: str
    release: str


Fault = KillService | DeployRelease | LeakFiles


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be remembered of an injection to recognise and undo it."""

    generation: Generation | None
    """The run that was there before."""
    took_effect_ns: int = 0
    """CLOCK_MONOTONIC when its effect was first measured; 0 while it was not."""


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a fault's own probe says."""

    took_effect: bool
    took_effect_ns: int
    present: bool
    """Whether what it did is still there."""
    measured: str = ""
    """The figure, for people."""


class Ground(Protocol):
    """What a fault may do to the fleet, and ask of it; all by the service's name."""

    def generation(self, service: str) -> Generation | None:
        """The current run of a service, or its last one."""
        ...

    def exists(self, service: str, release: str | None = None) -> bool:
        """Whether there is such a service (and such a release of it)."""
        ...

    async def healthy(self, service: str) -> bool:
        """Whether it answers its health question."""
        ...

    async def kill(self, service: str) -> tuple[Generation, bool] | None:
        """End its run with SIGKILL: which one, and whether it is really gone."""
        ...

    async def revive(self, service: str) -> bool:
        """Start a new run in place of one that is gone or does not answer."""
        ...

    async def deploy(
        self, service: str, release: str, instead_of: Generation | None = None
    ) -> bool:
        """Let a release go live; only in place of one run, where that is named."""
        ...

    async def failing(self, service: str) -> tuple[int, int]:
        """Ask the service itself, past all proxies: how many requests failed, of how many."""
        ...

    def open_files(self, service: str) -> int | None:
        """How many files and sockets its current run has open; None when it cannot be told."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let some time pass."""
        ...

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        ...


class FaultCode(Protocol):
    """How one kind of fault is put in, measured and taken out."""

    def mark(self, ground: Ground) -> Mark:
        """What is there before; taken and written down before anything is touched."""
        ...

    async def inject(self, ground: Ground, mark: Mark) -> Mark:
        """Put it in and measure whether it took effect."""
        ...

    async def effect(self, ground: Ground, mark: Mark) -> Effect:
        """Whether it took effect, and whether it is still there."""
        ...

    async def undo(self, ground: Ground, mark: Mark) -> None:
        """Take it out, if it is still there; harmless when repeated."""
        ...
