"""What the outbox raises."""

from __future__ import annotations

from busway.exceptions import BuswayError

__all__ = ["OutboxError", "UnrecordedError"]


class OutboxError(BuswayError):
    """Something could not be recorded; what could not be recorded was not handled either.

    A database refuses, a payload would not be read back from JSON as it is, or a connection goes
    to another database.
    """


class UnrecordedError(OutboxError):
    """An event could not be recorded for a durable handler, which was not run: no row stands."""
