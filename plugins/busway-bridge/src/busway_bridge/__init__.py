"""Busway's bridge: events between processes and machines, through a broker."""

__all__: list[str] = []
