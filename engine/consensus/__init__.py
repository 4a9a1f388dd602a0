"""Byzantine-fault-tolerant ordering (PBFT): a pure core and the shells that run it."""
