"""Where tests have long found it; it lives in the engine now."""

from engine.consensus.simulate.checker import Checker, Violation

__all__ = ["Checker", "Violation"]
