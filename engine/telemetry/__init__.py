"""Telemetry in: sources, parsers, and the windows over which brains look at it."""
