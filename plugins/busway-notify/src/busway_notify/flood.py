"""The rule for floods: failed logins from everywhere, counted exactly."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify import _settings
from busway_notify._alert import write_alert
from busway_notify._recent import digest_of
from busway_notify._window import MOST_PERIODS
from busway_notify.notification import Addresses, Draft, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from busway.events import Event

__all__ = ["FloodRule"]


@dataclass(slots=True)
class _Period:
    """The failures since the one that began it."""

    begin: datetime
    last: datetime
    sources: int
    failures: int = 0
    told: int = 0


class FloodRule:
    """`USER_LOGIN_FAILED`: an alert on `threshold` failures in a `window`, wherever they come from.

    A distributed attack has many addresses that each try little. The first failure begins a
    period of `window` seconds of event time; if it holds too many, one alert tells so at once, and
    a second one, when it is over, how many there were. Up to eight are counted at once, so that
    clocks that are apart hide nothing.

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
        self._periods: deque[_Period] = deque(maxlen=MOST_PERIODS)

    def consider(self, event: Event) -> Draft | None:
        """The alert that there are too many, or that tells how many there were."""
        with self._lock:
            period, ended = self._period(event.timestamp)
            period.failures += 1
            period.last = max(period.last, event.timestamp)
            if period.failures == self._threshold and ended is None:
                return self._draft(period, "begins", [self._told(period, " or more")])
            return ended

    def end(self) -> list[Draft]:
        """The alerts that tell how many there were so far, if there were too many."""
        with self._lock:
            ended = [self._summary(period) for period in self._periods]
            self._periods.clear()
            return [one for one in ended if one is not None]

    def health(self) -> Mapping[str, int]:
        """Nothing: what it counts is told."""
        return {}

    def _period(self, at: datetime) -> tuple[_Period, Draft | None]:
        """That of a time, or, if it is late, the one that it missed; and what is over by that."""
        for period in reversed(self._periods):
            if abs(at - period.begin) <= self._window:
                return period, None
        ended = next(filter(None, map(self._summary, self._periods)), None)
        self._periods.append(_Period(at, at, self._new_sources()))
        return self._periods[-1], ended

    def _summary(self, period: _Period) -> Draft | None:
        if period.failures < self._threshold or period.failures == period.told:
            return None
        period.told = period.failures
        sources = self._new_sources() - period.sources
        lines = [
            self._told(period, ""),
            f"Addresses and users that were not known before: {sources}",
            f"From {period.begin.isoformat()} to {period.last.isoformat()}",
        ]
        return self._draft(period, "in all", lines)

    def _told(self, period: _Period, more: str) -> str:
        within = f"{self._window.total_seconds():g} s"
        return f"{period.failures}{more} failed logins within {within}"

    def _draft(self, period: _Period, what: str, lines: list[str]) -> Draft:
        key = digest_of(self.kind, what, period.begin.isoformat(), str(period.failures)).hex()
        alert = write_alert(
            self.kind,
            key=f"failed logins, {what}",
            subject=f"Flood of failed logins: {lines[0]}",
            lines=lines,
            event_id="",
            timestamp=period.last,
            addresses=self._addresses,
            idempotency_key=key,
        )
        return Draft(alert, lambda: None)
