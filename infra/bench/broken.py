"""What the benchmarks raise."""

__all__ = ["BenchBroken"]


class BenchBroken(Exception):
    """A step did not end as it must; the message holds the end of what it said."""
