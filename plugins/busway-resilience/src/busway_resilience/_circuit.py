"""A circuit: closed, open after so many failures in a row, half-open for one probe."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Circuit"]


class Circuit:
    """Decides whether something that may be broken is tried, from whatever thread.

    A call gets a ticket, and its end counts only if nothing has changed since it began: what was
    begun before the circuit opened neither closes it nor keeps it open.

    Args:
        failures: how many in a row open it.
        reset: seconds until a probe is let through, and after a probe that has not ended the next.
        clock: tells the time in seconds.

    Attributes:
        refused: how many were not let through.
        opened: how many times it was opened.
    """

    def __init__(
        self, failures: int, reset: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.refused = 0
        self.opened = 0
        self._most = failures
        self._reset = reset
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._probe_at: float | None = None
        self._probing = False
        self._ticket = 0

    @property
    def state(self) -> str:
        """`closed`, `open`, or `half-open`: a probe is on its way, or the next call is one."""
        with self._lock:
            if self._probe_at is None:
                return "closed"
            return "half-open" if self._probing or self._clock() >= self._probe_at else "open"

    def enter(self) -> tuple[int | None, float]:
        """Ask for a call.

        Returns:
            A ticket, or None if it is refused; and then the seconds until the next probe.
        """
        with self._lock:
            if self._probe_at is None:
                return self._ticket, 0.0
            now = self._clock()
            if now < self._probe_at:
                self.refused += 1
                return None, self._probe_at - now
            self._probe_at, self._probing = now + self._reset, True
            self._ticket += 1
            return self._ticket, 0.0

    def succeed(self, ticket: int) -> bool:
        """A call has ended well; whether the circuit was closed by that."""
        with self._lock:
            if ticket != self._ticket:
                return False
            self._failures = 0
            was_open, self._probe_at, self._probing = self._probe_at is not None, None, False
            self._ticket += was_open
            return was_open

    def fail(self, ticket: int) -> bool:
        """A call has failed; whether the circuit was opened by that, from closed."""
        with self._lock:
            if ticket != self._ticket:
                return False
            self._failures += 1
            if self._probe_at is None and self._failures < self._most:
                return False
            was_closed = self._probe_at is None
            self._probe_at, self._probing = self._clock() + self._reset, False
            self._ticket += 1
            self.opened += was_closed
            return was_closed

    def leave(self, ticket: int) -> None:
        """A call has ended without telling anything, cancelled say: the next may be the probe."""
        with self._lock:
            if ticket == self._ticket and self._probe_at is not None:
                self._probe_at, self._probing = self._clock(), False
                self._ticket += 1
