"""Queued channels: what delivery needs of one, and a user's own made into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection

    from busway_notify.channels import Channel
    from busway_notify.notification import Notification

__all__ = ["OwnQueued", "Queued", "Session", "is_queued"]


class Session(Protocol):
    """One lane's use of a channel; it may keep a connection from one `send` to the next."""

    async def send(self, notification: Notification) -> None:
        """Deliver it, in one try; to return means that all recipients have got it.

        Raises:
            RecipientsRefusedError: if some have not.
            DeliveryError: if nobody has.
            Exception: the same.
        """

    async def close(self) -> None:
        """Say goodbye. It raises nothing."""

    def abort(self) -> None:
        """Drop the connection, if there is one, without a word. It may be called at any time."""


@runtime_checkable
class Queued(Protocol):
    """A channel that is served by the delivery's thread."""

    @property
    def name(self) -> str:
        """What errors and logs call it; no secrets in it."""

    @property
    def secrets(self) -> Collection[str]:
        """Texts that no error may show."""

    def session(self) -> Session:
        """One lane's use of it."""


class OwnQueued:
    """A user's `Channel` that asks to be queued, by `is_queued = True`."""

    secrets: Collection[str] = ()

    def __init__(self, channel: Channel) -> None:
        self.name = channel.name
        self._channel = channel

    def session(self) -> Session:
        """Itself: it keeps no connection."""
        return self

    async def send(self, notification: Notification) -> None:
        """Leave it to the user's."""
        await self._channel.send(notification)

    async def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""


def is_queued(channel: Channel) -> bool:
    """Whether a channel asks to be served by the delivery's thread; a mock does not."""
    return getattr(channel, "is_queued", False) is True
