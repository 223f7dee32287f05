"""Busway's outbox: what a durable handler has not done is done later, whatever happens."""

__all__: list[str] = []
