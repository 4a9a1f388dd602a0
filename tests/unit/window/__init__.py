"""Tests of the window's pure parts: neither Qt nor VTK."""
