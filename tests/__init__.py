"""Tests mirror the packages they test; a helper is imported as `tests.<folder>.<module>`."""
