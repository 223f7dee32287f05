"""The type of event that the outbox brings."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["OutboxEvent"]


class OutboxEvent(StrEnum):
    """What can be told of an outbox.

    Attributes:
        ADDED: something was added to it, by another process say: publish this on a bus whose
            outbox is not to wait for its next `poll`.
    """

    ADDED = "outbox.added"
