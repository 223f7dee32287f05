"""The brute-force rule: an alert on failed logins that come too close together."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify import _settings
from busway_notify._recent import Cooldown, Counts, RecentKeys, digest_of, idempotency_key
from busway_notify._text import MAX_KEY, MAX_SUBJECT, one_line, text_of
from busway_notify.notification import Addresses, Draft, Kind, Notification, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from busway.events import Event

__all__ = ["BruteForceRule"]

_log = logging.getLogger("busway.notify")

_NAMESPACES: Final = {"ip_address": "address", "user_id": "user"}  # in order of preference


class _Attempts(Cooldown):
    """The failed logins of one key, as far as they are remembered, and its cooldown."""

    __slots__ = ("_arrivals",)

    def __init__(self, threshold: int) -> None:
        super().__init__()
        # Twice the threshold: half of what is remembered may come late, or from a broken clock,
        # before an attack is missed.
        self._arrivals: deque[tuple[datetime, int]] = deque(maxlen=2 * threshold)

    def add(self, event: Event) -> list[datetime]:
        """Remember a failure, once however often it is delivered; all times known, sorted."""
        arrival = (event.timestamp, hash(event))
        if arrival not in self._arrivals:
            self._arrivals.append(arrival)
        return sorted(at for at, _ in self._arrivals)


class BruteForceRule:
    """`USER_LOGIN_FAILED`: an alert on `threshold` failures within `window` seconds.

    They are counted for each `payload["ip_address"]`, or `payload["user_id"]` where there is no
    address; without either the event is counted as skipped, and logged by its id. The window
    slides over event time, and both its ends belong to it: failures at 0 and 600 s are within
    600 s. An event alerts if any such window around it is full, so late events count, too. While
    `cooldown` has not passed since the last alert for a key, further ones are counted, and the
    count is told in the next. An alert forgets no failure.

    Event time is why this is not the library `limits`: its moving window measures when a hit
    arrives by the wall clock, so a log read later, or in a burst, would be one attack.

    Args:
        threshold: failures; at most 100,000, since each failure looks at up to twice as many.
        window: seconds of event time.
        cooldown: seconds of event time, in either direction; 0 alerts every time.
        max_keys: how many addresses and users are remembered.
        addresses: for sender and administrators.

    Raises:
        ValueError: if a number is out of its range.
    """

    kind: Final = Kind.BRUTE_FORCE
    event_type: Final = EventType.USER_LOGIN_FAILED

    def __init__(
        self,
        *,
        threshold: int = 5,
        window: float = 600.0,
        cooldown: float = 600.0,
        max_keys: int = 10_000,
        addresses: Addresses | None = None,
    ) -> None:
        self._threshold = _settings.whole_number("threshold", threshold, most=100_000)
        self._window = _settings.seconds("window", window)
        self._cooldown = _settings.seconds("cooldown", cooldown, zero=True)
        self._keys: RecentKeys[_Attempts] = RecentKeys(
            partial(_Attempts, threshold),
            _settings.whole_number("max_keys", max_keys, most=_settings.MAX_KEYS),
        )
        self._addresses = addresses or Addresses()
        self._counts = Counts("skipped_brute_force", "suppressed_brute_force")

    def consider(self, event: Event) -> Draft | None:
        """The alert, if this failure completes a full window and no cooldown holds it back."""
        found = _key_of(event)
        if found is None:
            self._skip(event)
            return None
        with self._keys.lock:
            attempts = self._keys.entry(digest_of(*found))
            if not self._is_full(attempts.add(event), event.timestamp):
                return None
            passage = attempts.admit(event.timestamp, self._cooldown)
        if passage is None:
            self._counts.add("suppressed_brute_force")
            return None
        notification = self._write(event, *found, passage.untold)
        return Draft(notification, partial(self._keys.take_back, attempts, passage))

    def health(self) -> Mapping[str, int]:
        """`skipped_brute_force`, `suppressed_brute_force`, `tracked_keys`, `evicted_keys`."""
        kept = {"tracked_keys": len(self._keys), "evicted_keys": self._keys.evicted}
        return {**self._counts.read(), **kept}

    def _skip(self, event: Event) -> None:
        self._counts.add("skipped_brute_force")
        _log.warning(
            "failed login not counted: event %s has neither address nor user id",
            one_line(event.id, MAX_KEY),
        )

    def _is_full(self, times: list[datetime], at: datetime) -> bool:
        """Whether `threshold` consecutive times, `at` one of them, lie within the window."""
        reach = self._threshold - 1
        here = bisect_right(times, at) - 1
        first, last = max(0, here - reach), min(here, len(times) - 1 - reach)
        return any(times[i + reach] - times[i] <= self._window for i in range(first, last + 1))

    def _write(self, event: Event, namespace: str, key: str, untold: int) -> Notification:
        shown = one_line(key, MAX_KEY)
        whom = f"{_NAMESPACES[namespace]} {shown}"
        within = f"{self._window.total_seconds():g} s"
        lines = [
            f"{self._threshold} or more failed logins within {within}: {whom}",
            f"Last failure: {event.timestamp.isoformat()}",
        ]
        if untold:
            lines.append(f"Alerts for it not sent since the last one: {untold}")
        return Notification(
            kind=self.kind,
            key=shown,
            recipient=self._addresses.administrators,
            subject=one_line(f"Repeated failed logins: {whom}", MAX_SUBJECT),
            body="\n".join([*lines, ""]),
            event_id=event.id,
            timestamp=event.timestamp,
            sender=self._addresses.sender,
            severity=Severity.WARNING,
            idempotency_key=idempotency_key(
                self.kind, event, namespace, key, cooldown=self._cooldown
            ),
        )


def _key_of(event: Event) -> tuple[str, str] | None:
    """Namespace and key that a failure counts for: the first of the two that is not blank."""
    for namespace in _NAMESPACES:
        key = text_of(event.payload.get(namespace)).strip()
        if one_line(key, MAX_KEY):
            return namespace, key
    return None
