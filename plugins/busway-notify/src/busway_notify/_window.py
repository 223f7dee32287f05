"""Event time: a window that slides over it, and how many periods of it are open at once."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

__all__ = ["MOST_PERIODS", "is_full"]

MOST_PERIODS: Final = 8
"""How many are open at once: events of one moment bring several times, where clocks are apart, or a
log is read late beside what happens now."""


def is_full(times: Sequence[datetime], at: datetime, count: int, window: timedelta) -> bool:
    """Whether `count` consecutive times, `at` one of them, lie within the window.

    Args:
        times: in order; `at` is among them.
        at: the time of the event that is asked about.
        count: how many there must be.
        window: within how long; both its ends belong to it.
    """
    reach = count - 1
    here = bisect_right(times, at) - 1
    first, last = max(0, here - reach), min(here, len(times) - 1 - reach)
    return any(times[i + reach] - times[i] <= window for i in range(first, last + 1))
