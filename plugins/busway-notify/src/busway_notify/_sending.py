"""Sending: a notification to its channels, those that are queued and those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway_notify._queued import OwnQueued, Queued, is_queued
from busway_notify._settlement import Settlement
from busway_notify.exceptions import ChannelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway_notify._delivery.post import Post
    from busway_notify._recent import Counts
    from busway_notify.channels import Channel
    from busway_notify.notification import Draft, Notification

__all__ = ["Sending", "queued"]


def queued(channels: Sequence[Channel]) -> list[Queued]:
    """Those of the channels that are served by a queue, as what delivery needs of them."""
    wanted = [one for one in channels if is_queued(one)]
    return [one if isinstance(one, Queued) else OwnQueued(one) for one in wanted]


class Sending:
    """Sends drafts: what is queued first, since that never fails here, then the rest in turn.

    Args:
        channels: all channels, in the order of the setting.
        post: what serves those that are queued.
        counts: where it is counted what became of a notification.
    """

    def __init__(self, channels: Sequence[Channel], post: Post, counts: Counts) -> None:
        self._inline = [one for one in channels if not is_queued(one)]
        self._queued = [one for one in channels if is_queued(one)]
        self._post = post
        self._counts = counts

    async def send(self, draft: Draft) -> list[ChannelError]:
        """Try all channels; the errors of those that did not take it at once."""
        settlement = Settlement(draft, len(self._inline) + len(self._queued), self._counts)
        for place, _ in enumerate(self._queued):
            self._post.put(place, draft.notification, settlement.settle)
        errors: list[ChannelError] = []
        left = len(self._inline)
        try:
            for channel in self._inline:
                error = await _send(channel, draft.notification)
                left -= 1
                settlement.settle(error is None)
                if error is not None:
                    self._counts.add("failed_sends")
                    errors.append(error)
        finally:  # also when cancelled: an alert must not be lost without a trace
            for _ in range(left):
                settlement.settle(False)
        return errors


async def _send(channel: Channel, notification: Notification) -> ChannelError | None:
    try:
        await channel.send(notification)
    except Exception as error:  # noqa: BLE001 - whatever a channel raises is its own matter
        told = ChannelError(channel.name, notification, error)
        told.__cause__ = error
        return told
    return None
