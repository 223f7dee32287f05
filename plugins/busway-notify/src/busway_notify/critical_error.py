"""The rule for critical errors: an alert at once, and not again for the same error soon after."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify import _settings
from busway_notify._cooldown import Cooldown
from busway_notify._counts import Counts
from busway_notify._recent import RecentKeys, digest_of, idempotency_key
from busway_notify._text import MAX_KEY, MAX_MESSAGE, MAX_SUBJECT, one_line, text_of
from busway_notify.notification import Addresses, Draft, Kind, Notification, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway.events import Event

__all__ = ["CriticalErrorRule"]


class CriticalErrorRule:
    """`ERROR_OCCURRED` with `payload["severity"] == "critical"`: an alert at once.

    The same error is one of the same `source`, `payload["component"]` and `payload["message"]`.
    While `error_cooldown` has not passed since it was last sent, it is counted, and the count is
    told in the next alert.

    Args:
        error_cooldown: seconds of event time, in either direction; 0 alerts every time.
        max_keys: how many errors are remembered.
        addresses: for sender and administrators.

    Raises:
        ValueError: if a number is out of its range.
    """

    kind: Final = Kind.CRITICAL_ERROR
    event_type: Final = EventType.ERROR_OCCURRED

    def __init__(
        self,
        *,
        error_cooldown: float = 300.0,
        max_keys: int = 10_000,
        addresses: Addresses | None = None,
    ) -> None:
        self._cooldown = _settings.seconds("error_cooldown", error_cooldown, zero=True)
        self.keys: RecentKeys[Cooldown] = RecentKeys(
            Cooldown, _settings.whole_number("max_keys", max_keys, most=_settings.MAX_KEYS)
        )
        self._addresses = addresses or Addresses()
        self._counts = Counts("suppressed_critical_error")

    def consider(self, event: Event) -> Draft | None:
        """The alert, if the error is critical and was not sent just before."""
        severity: object = event.payload.get("severity")
        if not (isinstance(severity, str) and severity == "critical"):
            return None
        component, message = (text_of(event.payload.get(key)) for key in ("component", "message"))
        with self.keys.lock:
            error = self.keys.entry(digest_of(event.source, component, message))
            passage = error.admit(event.timestamp, self._cooldown)
        if passage is None:
            self._counts.add("suppressed_critical_error")
            return None
        notification = self._write(event, component, message, passage.untold)
        return Draft(notification, partial(self.keys.take_back, error, passage))

    def health(self) -> Mapping[str, int]:
        """`suppressed_critical_error`, `tracked_keys`, `evicted_keys`."""
        kept = {"tracked_keys": len(self.keys), "evicted_keys": self.keys.evicted}
        return {**self._counts.read(), **kept}

    def _write(self, event: Event, component: str, message: str, untold: int) -> Notification:
        where = "/".join(filter(None, (event.source, component))) or "unknown"
        key, shown = one_line(where, MAX_KEY), one_line(message, MAX_MESSAGE)
        lines = [
            f"Critical error in {key}: {shown or 'no message'}",
            f"Time: {event.timestamp.isoformat()}",
        ]
        if untold:
            lines.append(f"The same error, not sent since the last alert: {untold}")
        return Notification(
            kind=self.kind,
            key=key,
            recipient=self._addresses.administrators,
            subject=one_line(lines[0], MAX_SUBJECT),
            body="\n".join([*lines, ""]),
            event_id=event.id,
            timestamp=event.timestamp,
            sender=self._addresses.sender,
            severity=Severity.CRITICAL,
            idempotency_key=idempotency_key(
                self.kind, event, event.source, component, message, cooldown=self._cooldown
            ),
        )
