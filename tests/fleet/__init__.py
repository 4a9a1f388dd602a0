"""Tests that start real processes; two files of them run at a time."""
