"""What all alerts have in common: whom they are for, and how their lines are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway_notify._text import MAX_KEY, MAX_SUBJECT, one_line
from busway_notify.notification import Notification, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from busway_notify.notification import Addresses, Kind

__all__ = ["write_alert"]


def write_alert(
    kind: Kind,
    *,
    key: str,
    subject: str,
    lines: Sequence[str],
    event_id: str,
    timestamp: datetime,
    addresses: Addresses,
    idempotency_key: str,
    severity: Severity = Severity.CRITICAL,
) -> Notification:
    """An alert to the administrators, each of its lines cut and cleaned by whoever gives it."""
    return Notification(
        kind=kind,
        key=one_line(key, MAX_KEY),
        recipient=addresses.administrators,
        subject=one_line(subject, MAX_SUBJECT),
        body="\n".join([*lines, ""]),
        event_id=event_id,
        timestamp=timestamp,
        sender=addresses.sender,
        severity=severity,
        idempotency_key=idempotency_key,
    )
