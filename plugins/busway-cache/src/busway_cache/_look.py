"""What a look into a cache finds."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["MISS", "Look", "Miss"]


class Miss(Enum):
    """The type of `MISS`."""

    MISS = auto()


MISS: Final = Miss.MISS
"""Instead of a value: there is none. None is a value."""


class Look(NamedTuple):
    """What a look at a key found, in one step.

    Attributes:
        token: equal tokens of one key mean that no invalidation of it has come between.
        value: the value, or MISS.
        at: when it was looked, in seconds of the clock that the entries expire by.
    """

    token: Hashable
    value: object
    at: float
