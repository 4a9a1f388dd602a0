"""How many votes prove something: ``engine.quorum``, which the genesis needs as well."""

from engine.quorum import quorum_of, weak_quorum_of

__all__ = ["quorum_of", "weak_quorum_of"]
