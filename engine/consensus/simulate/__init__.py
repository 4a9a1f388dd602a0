"""The deterministic simulator: a whole cluster in one thread, and one seed decides everything."""
