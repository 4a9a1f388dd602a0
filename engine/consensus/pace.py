"""How fast a primary must be while work waits: a floor that a slow one cannot stay below (pure).

A primary that lets each batch take just less than the timeout is never silent, and slows everyone
down for ever (Clement and others, "Making Byzantine Fault Tolerant Systems Tolerate Byzantine
Faults", 2009, section 4.1). So each view must execute ``pace_batches`` in at most ``pace_ms`` of
time in which work waited. Where the machine itself is slower, all views miss that, and each one
given up for it doubles the allowance; each stretch that keeps the pace halves it again.
"""

from engine.consensus.settings import Settings


class Pace:
    """Account of one replica, about the primary of the view that it is in."""

    def __init__(self, settings: Settings) -> None:
        """Begin with the settings' allowance."""
        self._settings = settings
        self._batches = 0
        self._waited_ms = 0
        self._relaxed = 0

    @property
    def allowed_ms(self) -> int:
        """How long work may wait, in sum, until ``pace_batches`` are executed."""
        return self._settings.pace_ms << self._relaxed

    @property
    def is_missed(self) -> bool:
        """Whether the view has used its allowance up."""
        return self._waited_ms >= self.allowed_ms

    def waited(self, ms: int) -> None:
        """Note that work has waited for ``ms`` more."""
        self._waited_ms += ms

    def executed(self) -> None:
        """Note a batch of this view; enough of them begin a new stretch."""
        self._batches += 1
        if self._batches >= self._settings.pace_batches:
            self._relaxed = max(0, self._relaxed - 1)
            self.begin()

    def begin(self) -> None:
        """Begin a new stretch, as a new view does."""
        self._batches = self._waited_ms = 0

    def give_up(self) -> None:
        """Note that the view is given up for its pace: the next ones may take twice as long."""
        self._relaxed = min(self._relaxed + 1, self._settings.backoff_doublings)
        self.begin()
