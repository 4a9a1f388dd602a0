"""Tests that start real processes; run one at a time."""
