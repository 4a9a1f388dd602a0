"""Asks everything that was deployed whether it works: eight checks, each with its evidence."""
