"""The rule for floods: failed logins from everywhere, counted exactly."""

from __future__ import annotations

from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify import _settings
from busway_notify._alert import write_alert
from busway_notify._recent import digest_of
from busway_notify.notification import Addresses, Draft, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from busway.events import Event

__all__ = ["FloodRule"]


class FloodRule:
    """`USER_LOGIN_FAILED`: an alert on `threshold` failures in a `window`, wherever they come from.

    A distributed attack has many addresses that each try little. The first failure begins a
    period of `window` seconds of event time; if it holds too many, one alert tells so at once, and
    a second one, when it is over, how many there were.

    Args:
        threshold: failures.
        window: seconds of event time.
        new_sources: how many addresses and users came, so far, that were not known.
        addresses: for sender and administrators.

    Raises:
        ValueError: if a number is out of its range.
    """

    kind: Final = Kind.FLOOD
    event_type: Final = EventType.USER_LOGIN_FAILED

    def __init__(
        self,
        *,
        threshold: int = 10_000,
        window: float = 600.0,
        new_sources: Callable[[], int] = lambda: 0,
        addresses: Addresses | None = None,
    ) -> None:
        self._threshold = _settings.whole_number("flood_threshold", threshold, most=10**9)
        self._window = _settings.seconds("window", window)
        self._new_sources = new_sources
        self._addresses = addresses or Addresses()
        self._lock = Lock()
        self._begin: datetime | None = None
        self._last: datetime | None = None
        self._failures = 0
        self._sources = 0

    def consider(self, event: Event) -> Draft | None:
        """The alert that there are too many, or that tells how many there were."""
        with self._lock:
            at = event.timestamp
            ended = None
            # only differences: the end of a period that begins in 9999 is no datetime
            if self._begin is None or not timedelta(0) <= at - self._begin <= self._window:
                if self._begin is not None and timedelta(0) < self._begin - at <= self._window:
                    at = self._begin  # it is late: it counts for the period that it missed
                else:
                    ended = self._summary()
                    self._begin, self._failures, self._sources = at, 0, self._new_sources()
            self._failures += 1
            self._last = max(at, self._last or at)
            if self._failures == self._threshold and ended is None:
                return self._draft("begins", [self._told(" or more")])
            return ended

    def end(self) -> Draft | None:
        """The alert that tells how many there were so far, if there were too many."""
        with self._lock:
            summary = self._summary()
            self._begin = None
            return summary

    def health(self) -> Mapping[str, int]:
        """Nothing: what it counts is told."""
        return {}

    def _summary(self) -> Draft | None:
        if self._begin is None or self._last is None or self._failures < self._threshold:
            return None
        sources = self._new_sources() - self._sources
        lines = [
            self._told(""),
            f"Addresses and users that were not known before: {sources}",
            f"From {self._begin.isoformat()} to {self._last.isoformat()}",
        ]
        return self._draft("in all", lines)

    def _told(self, more: str) -> str:
        within = f"{self._window.total_seconds():g} s"
        return f"{self._failures}{more} failed logins within {within}"

    def _draft(self, what: str, lines: list[str]) -> Draft | None:
        if self._begin is None or self._last is None:
            return None
        begin = self._begin.isoformat()
        key = digest_of(self.kind, what, begin).hex()
        alert = write_alert(
            self.kind,
            key=f"failed logins, {what}",
            subject=f"Flood of failed logins: {lines[0]}",
            lines=lines,
            event_id="",
            timestamp=self._last,
            addresses=self._addresses,
            idempotency_key=key,
        )
        return Draft(alert, lambda: None)
