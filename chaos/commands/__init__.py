"""The commands of ``main.py`` that start a fleet: ``up`` and ``drill``."""
