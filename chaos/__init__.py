"""Chaos: the fleet under care, the faults that are put into it, and the drills that measure."""
