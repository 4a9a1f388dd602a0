"""The bus between processes: in memory, and over NATS. Trusted for nothing."""
