"""Where tests have long found it; it lives in the engine now."""

from engine.consensus.simulate.storm import Storm

__all__ = ["Storm"]
