"""The bound on alerts: however many there are, only so many are sent, and all are counted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Final

from busway_notify._alert import write_alert
from busway_notify._recent import digest_of
from busway_notify._window import MOST_PERIODS
from busway_notify.notification import Addresses, Draft, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from busway_notify.notification import Notification

__all__ = ["AlertBound"]

_UNBOUNDED: Final = (Kind.WELCOME, Kind.FLOOD)
_MOST_NAMED: Final = 20


@dataclass(slots=True)
class _Period:
    """The alerts of one kind, since an alert that began a period."""

    begin: datetime
    last: datetime
    sent: int = 0
    withheld: int = 0
    told: int = 0
    named: list[str] = field(default_factory=list)


class AlertBound:
    """Lets at most `most` alerts of a kind through in each period of event time.

    The one after them is told as a flood at once, and when the period is over, or at `end`, how
    many were withheld altogether, and the first of their keys. A period begins with an alert that
    is further than its length, in either direction, from the beginnings of the last eight.

    Args:
        most: alerts.
        length: of a period.
        addresses: for sender and administrators.
    """

    def __init__(self, most: int, length: timedelta, addresses: Addresses) -> None:
        self._most = most
        self._length = length
        self._addresses = addresses
        self._periods: dict[Kind, deque[_Period]] = {}
        self._withheld = 0
        self._lock = Lock()

    def admit(self, draft: Draft) -> list[Draft]:
        """What is to be sent instead of an alert: itself, what is told of others, or nothing."""
        notification = draft.notification
        if notification.kind in _UNBOUNDED:
            return [draft]
        with self._lock:
            period, ended = self._period(notification)
            period.last = max(period.last, notification.timestamp)
            if period.sent < self._most:
                period.sent += 1
                return [*ended, draft]
            period.withheld += 1
            self._withheld += 1
            if len(period.named) < _MOST_NAMED:
                period.named.append(notification.key)
            return [*ended, *([self._first(notification.kind, period)] * (period.withheld == 1))]

    def end(self) -> list[Draft]:
        """What is to be told of the periods up to now."""
        with self._lock:
            ended, self._periods = self._periods, {}
            return [one for kind, periods in ended.items() for one in self._told(kind, periods)]

    def health(self) -> Mapping[str, int]:
        """`withheld_alerts`, once there are any."""
        return {"withheld_alerts": self._withheld} if self._withheld else {}

    def _period(self, notification: Notification) -> tuple[_Period, list[Draft]]:
        at, kind = notification.timestamp, notification.kind
        periods = self._periods.setdefault(kind, deque(maxlen=MOST_PERIODS))
        for period in reversed(periods):
            if abs(at - period.begin) < self._length:
                return period, []
        ended = self._told(kind, periods)
        periods.append(_Period(at, at))
        return periods[-1], ended

    def _told(self, kind: Kind, periods: Iterable[_Period]) -> list[Draft]:
        return list(chain.from_iterable(self._summary(kind, period) for period in periods))

    def _first(self, kind: Kind, period: _Period) -> Draft:
        within = f"{self._length.total_seconds():g} s"
        lines = [
            f"More than {self._most} {kind} alerts within {within}",
            "Further ones are withheld and counted; what they were about is told when this is over",
            f"The first of them: {period.named[0]}",
        ]
        return self._draft(kind, "begins", period, lines)

    def _summary(self, kind: Kind, period: _Period) -> list[Draft]:
        untold = period.withheld - period.told
        if not untold:
            return []
        period.told = period.withheld
        lines = [
            f"{untold} {kind} alerts withheld",
            f"Sent before: {period.sent}",
            f"From {period.begin.isoformat()} to {period.last.isoformat()}",
            f"The first {len(period.named)} of those withheld: {', '.join(period.named)}",
        ]
        return [self._draft(kind, "in all", period, lines)]

    def _draft(self, kind: Kind, what: str, period: _Period, lines: list[str]) -> Draft:
        alert = write_alert(
            Kind.FLOOD,
            key=f"{kind} alerts, {what}",
            subject=f"Flood of alerts: {lines[0]}",
            lines=lines,
            event_id="",
            timestamp=period.last,
            addresses=self._addresses,
            idempotency_key=digest_of(
                Kind.FLOOD, kind, what, period.begin.isoformat(), str(period.withheld)
            ).hex(),
        )
        return Draft(alert, lambda: None)
