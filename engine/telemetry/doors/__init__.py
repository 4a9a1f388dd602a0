"""The doors through which real systems send their telemetry: each protocol to records and back."""
