"""The cooldown of one key's alerts, and how it is kept in the state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

__all__ = ["Cooldown", "Passage", "time_of"]


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave to send one alert, and what is needed to take it back.

    Attributes:
        at: the event time it was given for.
        before: the event time of the alert before it.
        untold: how many alerts were not sent since that one.
    """

    at: datetime
    before: datetime | None
    untold: int


class Cooldown:
    """One key's alerts: when the last was sent, and how many since were not.

    It is no more thread-safe than its two fields: hold the lock of the `RecentKeys` it is in.
    """

    __slots__ = ("_last", "_untold")

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._untold = 0

    def admit(self, at: datetime, period: timedelta) -> Passage | None:
        """Leave to send an alert, or None, which is counted, less than `period` from the last.

        The distance counts in both directions: after an event with a clock far in the future, an
        alert in the present is neither late nor early, it is another one.
        """
        if self._last is not None and abs(at - self._last) < period:
            self._untold += 1
            return None
        passage = Passage(at, self._last, self._untold)
        self._last, self._untold = at, 0
        return passage

    @property
    def state(self) -> list[object]:
        """What JSON can keep of it."""
        return [None if self._last is None else self._last.isoformat(), self._untold]

    def restore(self, state: Sequence[object]) -> None:
        """Take up what `state` gave.

        Raises:
            Exception: if it is something else.
        """
        last, untold = state
        if not (last is None or isinstance(last, str)) or not isinstance(untold, int):
            raise TypeError
        self._last = None if last is None else time_of(last)
        self._untold = untold

    def take_back(self, passage: Passage) -> None:
        """Undo `admit`: its alert reached nobody. The next alert tells of it, too."""
        self._untold += passage.untold + 1
        if self._last == passage.at:  # else another alert has been sent meanwhile
            self._last = passage.before


def time_of(text: object) -> datetime:
    """A time that `isoformat` gave.

    Raises:
        Exception: if it is none, or says nothing of its zone.
    """
    at = datetime.fromisoformat(str(text))
    if at.tzinfo is None:
        raise ValueError(text)
    return at
