"""Traces that others made, read into spans."""
