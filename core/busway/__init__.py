"""Busway: an event bus for Python applications."""
