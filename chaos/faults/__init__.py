"""Faults: each is put in, proves that it took effect, and is taken out again."""
