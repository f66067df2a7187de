"""Held work."""
