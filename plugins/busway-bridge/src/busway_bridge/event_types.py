"""The type of event that the bridge brings."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["BridgeEvent"]


class BridgeEvent(StrEnum):
    """What can be told of a bridge.

    Attributes:
        DEAD_LETTER: a message that nobody could handle; it comes from `SUBJECT.dead`, to those
            who receive that.
    """

    DEAD_LETTER = "busway.dead_letter"
