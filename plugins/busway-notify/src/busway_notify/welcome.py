"""The welcome rule: a mail to every new user who has an address."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway_notify._counts import Counts
from busway_notify._recent import idempotency_key
from busway_notify._text import MAX_KEY, is_address, one_line
from busway_notify.notification import Addresses, Draft, Kind, Notification, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway.events import Event

__all__ = ["WelcomeRule"]

_log = logging.getLogger("busway.notify")

_SUBJECT: Final = "Welcome"
# Nothing of the payload is in it: who signs up with a stranger's address chooses no word of the
# mail that the stranger gets.
_BODY: Final = "Welcome!\n\nAn account has been created for this address.\n"


class WelcomeRule:
    """`USER_CREATED` with `payload["email"]`: one welcome mail to that address.

    Without one mail address there (none, no str, several, or one that could carry a header) the
    event is counted as skipped, and logged by its id.

    Args:
        addresses: for the sender.
    """

    kind: Final = Kind.WELCOME
    event_type: Final = EventType.USER_CREATED

    def __init__(self, *, addresses: Addresses | None = None) -> None:
        self._addresses = addresses or Addresses()
        self._counts = Counts("skipped_welcome")

    def consider(self, event: Event) -> Draft | None:
        """The welcome mail, unless there is nobody to send it to."""
        email: object = event.payload.get("email")
        if is_address(email):
            return Draft(self._write(event, email), _nothing)
        self._counts.add("skipped_welcome")
        _log.warning(
            "no welcome mail: event %s has no usable address in payload['email']",
            one_line(event.id, MAX_KEY),
        )
        return None

    def health(self) -> Mapping[str, int]:
        """`skipped_welcome`."""
        return self._counts.read()

    def _write(self, event: Event, email: str) -> Notification:
        return Notification(
            kind=self.kind,
            key=one_line(email, MAX_KEY),
            recipient=email,
            subject=_SUBJECT,
            body=_BODY,
            event_id=event.id,
            timestamp=event.timestamp,
            sender=self._addresses.sender,
            severity=Severity.INFO,
            idempotency_key=idempotency_key(self.kind, event, email),
        )


def _nothing() -> None:
    """A welcome has no cooldown to take back."""
