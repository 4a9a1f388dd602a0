"""Benchmarks that need the screens: what drawing costs, beside what it has to cost."""
