"""Recorded incidents through the same senses as live ones, on a virtual clock."""
