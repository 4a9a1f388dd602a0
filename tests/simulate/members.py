"""Where tests have long found it; it lives in the engine now."""

from engine.consensus.simulate.members import OPERATOR, HashSigner, HashVerifier, Members

__all__ = ["OPERATOR", "HashSigner", "HashVerifier", "Members"]
