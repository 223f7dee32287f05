"""What can go wrong between a notification and whom it is for.

* ChannelError
* DeliveryError
  * RecipientsRefusedError
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway.exceptions import BuswayError
from busway_notify._text import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway_notify.notification import Kind, Notification

__all__ = ["ChannelError", "DeliveryError", "RecipientsRefusedError"]


class ChannelError(BuswayError):
    """A channel did not take a notification; why is its `__cause__`.

    Attributes:
        channel: the name of the channel.
        kind: the kind of notification.
        event_id: the id of the event that the notification is of.
    """

    def __init__(self, channel: str, notification: Notification, reason: Exception) -> None:
        super().__init__(
            f"the channel {channel!r} did not take the {notification.kind} notification "
            f"of event {notification.event_id!r}: {type(reason).__name__}: {text_of(reason)}"
        )
        self.channel = channel
        self.kind: Kind = notification.kind
        self.event_id: str = notification.event_id


class DeliveryError(BuswayError):
    """What a queued channel raises to say more than that it failed.

    Attributes:
        is_final: whether another try would be in vain.
        retry_after: in how many seconds another try is welcome; None if that was not said.
    """

    def __init__(
        self, message: str, *, is_final: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.retry_after = retry_after


class RecipientsRefusedError(DeliveryError):
    """Some of the recipients were refused, or all; the others have got it.

    Attributes:
        refused: the refusal of each, by its address.
    """

    def __init__(self, refused: Mapping[str, DeliveryError]) -> None:
        told = "; ".join(f"{recipient}: {error}" for recipient, error in refused.items())
        super().__init__(f"refused: {told}", is_final=all(e.is_final for e in refused.values()))
        self.refused: dict[str, DeliveryError] = dict(refused)
