"""The numbers of consensus in one place, each with its reason."""

import msgspec

from engine.quorum import (
    CHECKPOINT_PERIOD,
    NEW_VIEW_BYTES,
    checkpoint_period_of,
    most_checkpoint_period_of,
)

SUBMISSION_BYTES = NEW_VIEW_BYTES + (4 << 10)
"""The longest evidence in its envelope; all other operations hold short typed values."""


class Settings(msgspec.Struct, frozen=True):
    """How one replica paces itself. Agreement never depends on any of these but the period."""

    checkpoint_period: int = CHECKPOINT_PERIOD
    """Executed batches between two checkpoints; the same for all replicas of a cluster. A
    VIEW-CHANGE proves what was prepared in up to two periods, so this bounds its size."""
    batch_submissions: int = 64
    """Most submissions in a batch: 64 signature checks are about 10 ms for a backup."""
    batch_bytes: int = SUBMISSION_BYTES
    """A batch, its certificate and its envelope stay well below one frame."""
    submission_bytes: int = SUBMISSION_BYTES
    in_flight: int = 24
    """Batches under way at once, which share messages of the bus and syncs of the vote log; while
    they are, later submissions gather into larger batches."""
    pending_submissions: int = 2048
    pending_per_author: int = 256
    pending_bytes_per_author: int = 4 << 20
    """So that one author cannot take the place of all others."""
    request_timeout_ms: int = 700
    """How long work may stand still before the primary is given up. A decision takes 5-30 ms
    here and a loaded machine stalls for some 200 ms; failover should take less than 1.5 s."""
    starvation_factor: int = 4
    """A submission may wait this many timeouts while others are served: then the primary is
    starving its author."""
    pace_batches: int = 16
    pace_ms: int = 5_600
    """While work waits, a view executes ``pace_batches`` in this time at least: the stated floor of
    2.8 batches in a second. It is half of what a primary reaches that uses every timeout up; a
    healthy one needs 5-30 ms a batch."""
    view_change_timeout_ms: int = 600
    """How long the next primary has for its NEW-VIEW once a quorum asked for it."""
    backoff_doublings: int = 6
    """Timeouts double with each view that achieved nothing, up to 2**6 times."""
    status_ms: int = 250
    """Pause between two Status messages when there is something new to say."""
    idle_status_ms: int = 2000
    """Pause between two Status messages when nothing happens."""
    resend_ms: int = 200
    """First pause before one's own votes on an undecided batch are sent again; then doubled."""
    resend_most_ms: int = 2000
    relay_ms: int = 200
    """A submission not ordered by then is handed to the primary, and to everyone at twice that."""
    fetch_ms: int = 200
    """Pause before a gap is taken for a loss and asked for, and between two such requests."""
    fetch_entries: int = 64
    answers_per_tick: int = 4
    """Most requests of one peer that are answered between two ticks."""
    future_frames: int = 256
    future_bytes: int = 1 << 20
    """What one peer may have waiting for a view that this replica has not entered."""
    longest_tick_ms: int = 250
    """Time in which this process itself stood still does not count against the primary."""

    @property
    def window(self) -> int:
        """How far above the stable checkpoint sequence numbers may be used: two periods."""
        return 2 * self.checkpoint_period

    def checked_for(self, n: int, f: int) -> "Settings":
        """These settings, if no NEW-VIEW of ``n`` replicas can be too long to be taken.

        Raises:
            ValueError: one could be; says which period would do.
        """
        fitting = most_checkpoint_period_of(n, f)
        if self.checkpoint_period > fitting:
            raise ValueError(
                f"checkpoint_period {self.checkpoint_period} makes a NEW-VIEW of {n} replicas "
                f"longer than anyone takes; use {fitting} or less"
            )
        return self


def settings_for(n: int, f: int) -> Settings:
    """What every process of a cluster uses; large ones checkpoint more often, for short NEW-VIEWs."""
    return Settings(checkpoint_period=checkpoint_period_of(n, f))


DEFAULTS = Settings()
"""What ``settings_for`` gives up to seven replicas."""
