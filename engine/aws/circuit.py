"""How often to ask a service that fails: back-off with jitter, and a circuit breaker (pure).

Waits grow exponentially with full jitter (Brooker, "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015), so that many clients do not come back together. After ``TRIES`` failures
on end the circuit is open: work is kept back, and one probe at a time finds out when it may go on.
"""

from enum import StrEnum

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 20.0
TRIES = 5
"""Failures on end that open the circuit."""


class State(StrEnum):
    """Whether work goes through."""

    CLOSED = "closed"
    """It does."""
    OPEN = "open"
    """It waits; nothing is asked."""
    PROBING = "probing"
    """One question is out; its answer decides."""


class Circuit:
    """The state of one service as its client has seen it."""

    def __init__(self) -> None:
        self.failures_on_end = 0
        self.failures = 0
        """In all."""
        self.opened = 0
        """How often the circuit opened."""
        self.why = ""
        """The last failure."""
        self._not_before_s = 0.0
        self._probing = False

    def state(self, now_s: float) -> State:
        """Whether work goes through at ``now_s`` (monotonic seconds)."""
        if self.failures_on_end < TRIES:
            return State.CLOSED
        if self._probing:
            return State.PROBING
        return State.OPEN if now_s < self._not_before_s else State.PROBING

    def may_ask(self, now_s: float) -> bool:
        """Whether a question may be sent now; where the circuit is open, it is the one probe."""
        if now_s < self._not_before_s or self._probing:
            return False
        self._probing = self.failures_on_end >= TRIES
        return True

    def wait_s(self, now_s: float) -> float:
        """How long until the next question may be sent."""
        return max(0.0, self._not_before_s - now_s)

    def answered(self) -> None:
        """The service answered."""
        self.failures_on_end = 0
        self._probing = False
        self._not_before_s = 0.0

    def failed(self, now_s: float, jitter: float, why: str) -> None:
        """It did not; ``jitter`` is uniform in 0 to 1."""
        self.failures += 1
        self.failures_on_end += 1
        self.opened += self.failures_on_end == TRIES
        self._probing = False
        self.why = why[:200]
        most = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self.failures_on_end - 1, 16))
        self._not_before_s = now_s + most * jitter
