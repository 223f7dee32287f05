"""Busway's resilience: what a handler may take, and what becomes of what it fails."""

__all__: list[str] = []
