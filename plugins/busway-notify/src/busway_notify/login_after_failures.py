"""The rule for a login after many failures: an attack that may have succeeded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify import _settings
from busway_notify._alert import write_alert
from busway_notify._cooldown import Cooldown
from busway_notify._counts import Counts
from busway_notify._keys import ACCOUNT, ADDRESS, WORDS, key_of
from busway_notify._recent import RecentKeys, digest_of, idempotency_key
from busway_notify._text import MAX_KEY, one_line
from busway_notify.notification import Addresses, Draft, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from busway.events import Event
    from busway_notify.brute_force import BruteForceRule
    from busway_notify.notification import Notification

__all__ = ["LoginAfterFailuresRule"]


class LoginAfterFailuresRule:
    """`USER_LOGIN` of an address or account that failed `threshold` times in the window before.

    What was a warning while it failed is critical when it succeeds.

    Args:
        failures: the rules that know them, by address and by account.
        cooldown: seconds of event time, in either direction, for which the same address or account
            is not told again; 0 alerts every time.
        max_keys: how many addresses and accounts with such alerts are remembered.
        addresses: for sender and administrators.

    Raises:
        ValueError: if a number is out of its range.
    """

    kind: Final = Kind.LOGIN_AFTER_FAILURES
    event_type: Final = EventType.USER_LOGIN

    def __init__(
        self,
        failures: Sequence[BruteForceRule],
        *,
        cooldown: float = 600.0,
        max_keys: int = 10_000,
        addresses: Addresses | None = None,
    ) -> None:
        self._failures = tuple(failures)
        self._cooldown = _settings.seconds("cooldown", cooldown, zero=True)
        self.keys: RecentKeys[Cooldown] = RecentKeys(
            Cooldown, _settings.whole_number("max_keys", max_keys, most=_settings.MAX_KEYS)
        )
        self._addresses = addresses or Addresses()
        self._counts = Counts("suppressed_login_after_failures")

    def consider(self, event: Event) -> Draft | None:
        """The alert, if many failures came before and no cooldown holds it back."""
        asked = (rule.failures_before(event) for rule in self._failures)
        found = next(filter(None, asked), None)
        if found is None:
            return None
        namespace, key, count = found
        with self.keys.lock:
            entry = self.keys.entry(digest_of(namespace, key))
            passage = entry.admit(event.timestamp, self._cooldown)
        if passage is None:
            self._counts.add("suppressed_login_after_failures")
            return None
        notification = self._write(event, namespace, key, count)
        return Draft(notification, partial(self.keys.take_back, entry, passage))

    def health(self) -> Mapping[str, int]:
        """`suppressed_login_after_failures`, `tracked_keys`, `evicted_keys`."""
        kept = {"tracked_keys": len(self.keys), "evicted_keys": self.keys.evicted}
        return {**self._counts.read(), **kept}

    def _write(self, event: Event, namespace: str, key: str, count: int) -> Notification:
        shown = f"{WORDS[namespace]} {one_line(key, MAX_KEY)}"
        lines = [f"A login succeeded after at least {count} failed ones: {shown}"]
        for one in (ADDRESS, ACCOUNT):
            value = key_of(event, (one,))
            if value is not None and one != namespace:
                lines.append(f"Its {WORDS[one]}: {one_line(value[1], MAX_KEY)}")
        return write_alert(
            self.kind,
            key=key,
            subject=f"Login after failed logins: {shown}",
            lines=[*lines, f"Time: {event.timestamp.isoformat()}"],
            event_id=event.id,
            timestamp=event.timestamp,
            addresses=self._addresses,
            idempotency_key=idempotency_key(
                self.kind, event, namespace, key, cooldown=self._cooldown
            ),
        )
