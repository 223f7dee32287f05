"""The rule for password spraying: one address that tries many accounts."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify import _settings
from busway_notify._alert import write_alert
from busway_notify._cooldown import Cooldown, time_of
from busway_notify._counts import Counts
from busway_notify._keys import ACCOUNT, ADDRESS, key_of
from busway_notify._recent import RecentKeys, digest_of, idempotency_key
from busway_notify._text import MAX_KEY, one_line
from busway_notify._window import is_full
from busway_notify.notification import Addresses, Draft, Kind, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from busway.events import Event
    from busway_notify.notification import Notification

__all__ = ["SprayingRule"]


class _Accounts(Cooldown):
    """The accounts that one address tried last, each with when, and its cooldown."""

    __slots__ = ("_most", "_tried")

    def __init__(self, threshold: int) -> None:
        super().__init__()
        self._most = 2 * threshold  # as many failures may come late before an attack is missed
        self._tried: OrderedDict[str, datetime] = OrderedDict()

    @property
    def state(self) -> list[object]:
        """That of the cooldown, and the accounts."""
        return [*super().state, [[who, at.isoformat()] for who, at in self._tried.items()]]

    def restore(self, state: Sequence[object]) -> None:
        """Take up what `state` gave."""
        super().restore(state[:2])
        tried = state[2]
        if not isinstance(tried, list):
            raise TypeError
        for who, at in tried[-self._most :]:
            self._tried[str(who)] = time_of(at)

    def add(self, account: str, at: datetime) -> list[datetime]:
        """Remember one; when each of those known was tried last, in order."""
        known = self._tried.pop(account, at)
        self._tried[account] = max(known, at)
        if len(self._tried) > self._most:
            self._tried.popitem(last=False)
        return sorted(self._tried.values())


class SprayingRule:
    """`USER_LOGIN_FAILED`: an alert on one address that tries `threshold` accounts in a `window`.

    Of an address that tried an account several times, the last time counts. The cooldown is as
    that of the brute-force rule.

    Args:
        threshold: how many different values of `payload["user_id"]`.
        window: seconds of event time, both ends included.
        cooldown: seconds of event time, in either direction; 0 alerts every time.
        max_keys: how many addresses are remembered.
        addresses: for sender and administrators.

    Raises:
        ValueError: if a number is out of its range.
    """

    kind: Final = Kind.PASSWORD_SPRAYING
    event_type: Final = EventType.USER_LOGIN_FAILED

    def __init__(
        self,
        *,
        threshold: int = 10,
        window: float = 600.0,
        cooldown: float = 600.0,
        max_keys: int = 10_000,
        addresses: Addresses | None = None,
    ) -> None:
        self._threshold = _settings.whole_number("spray_threshold", threshold, most=100_000)
        self._window = _settings.seconds("window", window)
        self._cooldown = _settings.seconds("cooldown", cooldown, zero=True)
        self.keys: RecentKeys[_Accounts] = RecentKeys(
            partial(_Accounts, threshold),
            _settings.whole_number("max_keys", max_keys, most=_settings.MAX_KEYS),
        )
        self._addresses = addresses or Addresses()
        self._counts = Counts("suppressed_password_spraying")

    def consider(self, event: Event) -> Draft | None:
        """The alert, if this account is one too many and no cooldown holds it back."""
        source, account = key_of(event, (ADDRESS,)), key_of(event, (ACCOUNT,))
        if source is None or account is None:
            return None
        with self.keys.lock:
            accounts = self.keys.entry(digest_of(source[1]))
            times = accounts.add(digest_of(account[1]).hex(), event.timestamp)
            if not is_full(times, event.timestamp, self._threshold, self._window):
                return None
            passage = accounts.admit(event.timestamp, self._cooldown)
        if passage is None:
            self._counts.add("suppressed_password_spraying")
            return None
        notification = self._write(event, source[1], passage.untold)
        return Draft(notification, partial(self.keys.take_back, accounts, passage))

    def health(self) -> Mapping[str, int]:
        """`suppressed_password_spraying`, `tracked_keys`, `evicted_keys`."""
        kept = {"tracked_keys": len(self.keys), "evicted_keys": self.keys.evicted}
        return {**self._counts.read(), **kept}

    def _write(self, event: Event, source: str, untold: int) -> Notification:
        shown = one_line(source, MAX_KEY)
        within = f"{self._window.total_seconds():g} s"
        lines = [
            f"Failed logins to {self._threshold} or more accounts within {within}: address {shown}",
            f"Last failure: {event.timestamp.isoformat()}",
        ]
        if untold:
            lines.append(f"Alerts for it not sent since the last one: {untold}")
        return write_alert(
            self.kind,
            key=shown,
            subject=f"Password spraying: address {shown}",
            lines=lines,
            event_id=event.id,
            timestamp=event.timestamp,
            addresses=self._addresses,
            idempotency_key=idempotency_key(self.kind, event, source, cooldown=self._cooldown),
            severity=Severity.WARNING,
        )
