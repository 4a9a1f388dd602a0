"""Asks everything that was deployed whether it works: eight checks, each with its evidence."""

from infra.deploy.health.report import HealthReport, ask_health, read_report

__all__ = ["HealthReport", "ask_health", "read_report"]
