"""A parcel: one notification on its way through one channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from busway_notify.notification import Notification

__all__ = ["Parcel"]


@dataclass(slots=True, eq=False)
class Parcel:
    """A notification for those of its recipients who are still to get it.

    Attributes:
        notification: what to send.
        settle: to be called once, with whether anybody got it.
        put_at: when it was put into the queue, by the monotonic clock.
        tries: how often it was tried to send it.
        is_taken: whether some of its recipients have got it.
        problem: why the last try failed; "" if none has.
    """

    notification: Notification
    settle: Callable[[bool], None]
    put_at: float
    tries: int = 0
    is_taken: bool = False
    problem: str = ""
