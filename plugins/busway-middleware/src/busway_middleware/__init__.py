"""Busway's middleware: trace ids, filters, rate limits, logging, redaction."""

__all__: list[str] = []
