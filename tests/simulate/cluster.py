"""Where tests have long found it; it lives in the engine now."""

from engine.consensus.simulate.cluster import SETTINGS, TICK_MS, Cluster, Network, Node

__all__ = ["SETTINGS", "TICK_MS", "Cluster", "Network", "Node"]
