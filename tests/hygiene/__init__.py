"""Tests of the repository itself: what loads what, and what must never be committed."""
