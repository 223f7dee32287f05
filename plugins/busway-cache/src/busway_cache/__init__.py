"""Busway's cache invalidation: no read that starts after a publish sees older data."""

__all__: list[str] = []
