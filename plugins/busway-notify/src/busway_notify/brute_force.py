"""The brute-force rule: an alert on failed logins that come too close together."""

from __future__ import annotations

import logging
from collections import deque
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify import _settings
from busway_notify._cooldown import Cooldown, time_of
from busway_notify._counts import Counts
from busway_notify._keys import ACCOUNT, ADDRESS, WORDS, key_of
from busway_notify._recent import RecentKeys, digest_of, idempotency_key
from busway_notify._text import MAX_KEY, MAX_SUBJECT, one_line
from busway_notify._window import is_full
from busway_notify.notification import Addresses, Draft, Kind, Notification, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from busway.events import Event

__all__ = ["BruteForceRule"]

_log = logging.getLogger("busway.notify")


class _Attempts(Cooldown):
    """The failed logins of one key, as far as they are remembered, and its cooldown."""

    __slots__ = ("_arrivals",)

    def __init__(self, threshold: int) -> None:
        super().__init__()
        # Twice the threshold: half of what is remembered may come late, or from a broken clock,
        # before an attack is missed.
        self._arrivals: deque[tuple[datetime, int]] = deque(maxlen=2 * threshold)

    @property
    def state(self) -> list[object]:
        """That of the cooldown, and the arrivals."""
        return [*super().state, [[at.isoformat(), which] for at, which in self._arrivals]]

    def restore(self, state: Sequence[object]) -> None:
        """Take up what `state` gave."""
        super().restore(state[:2])
        arrivals = state[2]
        if not isinstance(arrivals, list):
            raise TypeError
        for at, which in arrivals:
            self._arrivals.append((time_of(at), int(which)))

    def count(self, end: datetime, window: timedelta) -> int:
        """How many lie within the window before a time, both its ends included."""
        return sum(timedelta(0) <= end - at <= window for at, _ in self._arrivals)

    def add(self, event: Event) -> list[datetime]:
        """Remember a failure, once however often it is delivered; all times known, sorted."""
        # not its hash, which another process would not know again
        arrival = (event.timestamp, int.from_bytes(digest_of(event.id)[:8], "big"))
        if arrival not in self._arrivals:
            self._arrivals.append(arrival)
        return sorted(at for at, _ in self._arrivals)


class BruteForceRule:
    """`USER_LOGIN_FAILED`: an alert on `threshold` failures within `window` seconds.

    They are counted for each `payload["ip_address"]`, or `payload["user_id"]` where there is no
    address; without either the event is counted as skipped, and logged by its id. An IPv6 address
    counts for its /64, and one that stands for an address of IPv4 for that one.

    The window slides over event time, and both its ends belong to it: failures at 0 and 600 s are
    within 600 s. An event alerts if any such window around it is full, so late events count, too.
    While `cooldown` has not passed since the last alert for a key, further ones are counted, and
    the count is told in the next. An alert forgets no failure.

    Event time is why this is not the library `limits`: its moving window measures when a hit
    arrives by the wall clock, so a log read later, or in a burst, would be one attack.

    Args:
        threshold: failures; at most 100,000, since each failure looks at up to twice as many.
        window: seconds of event time.
        cooldown: seconds of event time, in either direction; 0 alerts every time.
        max_keys: how many addresses and users are remembered.
        addresses: for sender and administrators.
        namespaces: the keys of the payload that are looked at, in this order; by account it is
            `user_id` alone.

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
        namespaces: Sequence[str] = (ADDRESS, ACCOUNT),
    ) -> None:
        self._namespaces = tuple(namespaces)
        self._threshold = _settings.whole_number("threshold", threshold, most=100_000)
        self._window = _settings.seconds("window", window)
        self._cooldown = _settings.seconds("cooldown", cooldown, zero=True)
        self.keys: RecentKeys[_Attempts] = RecentKeys(
            partial(_Attempts, threshold),
            _settings.whole_number("max_keys", max_keys, most=_settings.MAX_KEYS),
        )
        self._addresses = addresses or Addresses()
        self._counts = Counts("skipped_brute_force", "suppressed_brute_force")

    def consider(self, event: Event) -> Draft | None:
        """The alert, if this failure completes a full window and no cooldown holds it back."""
        found = key_of(event, self._namespaces)
        if found is None:
            self._skip(event)
            return None
        with self.keys.lock:
            attempts = self.keys.entry(digest_of(*found))
            times = attempts.add(event)
            if not is_full(times, event.timestamp, self._threshold, self._window):
                return None
            passage = attempts.admit(event.timestamp, self._cooldown)
        if passage is None:
            self._counts.add("suppressed_brute_force")
            return None
        notification = self._write(event, *found, passage.untold)
        return Draft(notification, partial(self.keys.take_back, attempts, passage))

    def health(self) -> Mapping[str, int]:
        """`skipped_brute_force`, `suppressed_brute_force`, `tracked_keys`, `evicted_keys`."""
        kept = {"tracked_keys": len(self.keys), "evicted_keys": self.keys.evicted}
        return {**self._counts.read(), **kept}

    def failures_before(self, event: Event) -> tuple[str, str, int] | None:
        """Namespace, key and number of the failures within the window before a login, if many.

        Args:
            event: the login, of the same address or account.
        """
        found = key_of(event, self._namespaces)
        if found is None:
            return None
        with self.keys.lock:
            attempts = self.keys.peek(digest_of(*found))
            if attempts is None:
                return None
            count = attempts.count(event.timestamp, self._window)
        return (*found, count) if count >= self._threshold else None

    def _skip(self, event: Event) -> None:
        if key_of(event, tuple(WORDS)) is not None:
            return  # it counts elsewhere
        self._counts.add("skipped_brute_force")
        _log.warning(
            "failed login not counted: event %s has neither address nor user id",
            one_line(event.id, MAX_KEY),
        )

    def _write(self, event: Event, namespace: str, key: str, untold: int) -> Notification:
        shown = one_line(key, MAX_KEY)
        whom = f"{WORDS[namespace]} {shown}"
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
