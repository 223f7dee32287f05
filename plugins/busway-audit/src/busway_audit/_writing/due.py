"""When what is pending is to be written though nobody asks for it."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

__all__ = ["Due", "Triggers"]

_RETRY: Final = 1.0
"""Seconds after which a disk that refused is tried again."""


class Triggers(NamedTuple):
    """What makes it due: so many entries, or so many seconds of age."""

    entries: int
    max_age: float | None


class Due:
    """Knows when; used with the buffer's lock held.

    Args:
        triggers: what makes it due, besides events that are urgent and a buffer that is full.
    """

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers
        self._at: float | None = None
        self._is_urgent = False
        self._watched = {0, triggers.entries} | ({1} if triggers.max_age is not None else set())

    def may_change(self, count: int) -> bool:
        """Whether anything may be due now that there are so many entries, the last one being new.

        Args:
            count: how many; 0 if there was no room for it.
        """
        return count in self._watched

    def note(self, count: int, *, urgent: bool) -> None:
        """Take note of a new entry, or of one for which there was no room."""
        self._is_urgent = self._is_urgent or urgent or count == 0
        if count == 1 and self._triggers.max_age is not None:
            self._at = time.monotonic() + self._triggers.max_age

    def begin(self) -> None:
        """All that is there now is being written: the next to come is the oldest."""
        self._is_urgent = False
        age = self._triggers.max_age
        self._at = None if age is None else time.monotonic() + age

    def refuse(self) -> None:
        """The disk refused: nothing is due before it is tried again."""
        self._at = time.monotonic() + _RETRY

    def is_now(self, count: int, *, wanted: bool, refused: bool) -> bool:
        """Whether it is due.

        Args:
            count: how many entries there are.
            wanted: whether somebody waits for room.
            refused: whether the disk has refused.
        """
        is_time = self._at is not None and time.monotonic() >= self._at
        if refused or not count:
            return is_time and (refused or count > 0)
        return is_time or wanted or self._is_urgent or count >= self._triggers.entries

    def patience(self, count: int, *, refused: bool) -> float | None:
        """Seconds until it may be due by itself; None if it will not."""
        if self._at is None or not (count or refused):
            return None
        return max(0.0, self._at - time.monotonic())
