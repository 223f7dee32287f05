"""What is sent: a notification, its kinds, and a rule's draft of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["Addresses", "Draft", "Kind", "Notification", "Severity"]


class Kind(StrEnum):
    """Which rule wrote a notification."""

    WELCOME = "welcome"
    BRUTE_FORCE = "brute_force"
    CRITICAL_ERROR = "critical_error"
    PASSWORD_SPRAYING = "password_spraying"  # noqa: S105 - a kind of attack
    LOGIN_AFTER_FAILURES = "login_after_failures"
    FLOOD = "flood"


class Severity(StrEnum):
    """How much a notification matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Notification:
    """One message, ready for any channel.

    What a payload brought into `key`, `subject` or `body` is one line of printable text there,
    and cut: no value can add a header to a mail or a line to a log.

    Attributes:
        kind: the rule that wrote it.
        key: whom or what it is about: the new user's address; the attacker's address, or the
            user id where there is none; `source/component` of an error. At most 128 characters.
        recipient: whom it is for: the new user's address; the administrators, joined by ", ",
            or `administrators` where the setting `admins` names none.
        subject: one line of at most 200 characters.
        body: plain text of a few lines.
        event_id: the id of the event that caused it, as it came.
        timestamp: when that event happened: aware, in UTC.
        sender: the setting `sender`; "" where it is not set.
        severity: how much it matters.
        idempotency_key: the same for the same rule, key and window, however often it is sent: 32
            hexadecimal digits. "" where whoever made it gave none.
    """

    kind: Kind
    key: str
    recipient: str
    subject: str
    body: str
    event_id: str
    timestamp: datetime
    sender: str = ""
    severity: Severity = Severity.WARNING
    idempotency_key: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Those that `recipient` joins."""
        return tuple(self.recipient.split(", "))


@dataclass(frozen=True, slots=True)
class Addresses:
    """Whom notifications come from, and who is told of alerts.

    Attributes:
        admins: the administrators' addresses.
        sender: the address that notifications come from.
    """

    admins: tuple[str, ...] = ()
    sender: str = ""

    @property
    def administrators(self) -> str:
        """The recipient of every alert."""
        return ", ".join(self.admins) or "administrators"


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification that a rule wants sent.

    Attributes:
        notification: what to send.
        take_back: to be called if no channel took it: its cooldown is undone, so that the next
            event of its kind sends it.
    """

    notification: Notification
    take_back: Callable[[], None]
