"""Sending: a notification to its channels, those that are queued and those that are not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from busway_notify._queued import OwnQueued, Queued, is_queued
from busway_notify._settlement import Settlement
from busway_notify.exceptions import ChannelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway_notify._counts import Counts
    from busway_notify._delivery.post import Post
    from busway_notify._routing import Routing
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
        routing: which of them a notification goes through.
        post: what serves those that are queued.
        counts: where it is counted what became of a notification.
    """

    def __init__(
        self, channels: Sequence[Channel], routing: Routing, post: Post, counts: Counts
    ) -> None:
        self._channels = channels
        self._routing = routing
        self._post = post
        self._counts = counts
        queues = [place for place, channel in enumerate(channels) if is_queued(channel)]
        self._queues = {place: queue for queue, place in enumerate(queues)}

    async def send(self, draft: Draft) -> list[ChannelError]:
        """Try all channels of its routes; the errors of those that did not take it at once."""
        routes = self._routing.of(draft.notification)
        if not routes:
            self._counts.add("routed_nowhere")
            return []
        settlement = Settlement(draft, len(routes), self._counts)
        inline: list[tuple[Channel, Notification]] = []
        for place, recipient in routes:
            notification = _addressed(draft.notification, recipient)
            if place in self._queues:
                self._post.put(self._queues[place], notification, settlement.settle)
            else:
                inline.append((self._channels[place], notification))
        return await self._send_inline(inline, settlement)

    async def _send_inline(
        self, inline: list[tuple[Channel, Notification]], settlement: Settlement
    ) -> list[ChannelError]:
        errors: list[ChannelError] = []
        left = len(inline)
        try:
            for channel, notification in inline:
                error = await _send(channel, notification)
                left -= 1
                settlement.settle(error is None)
                if error is not None:
                    self._counts.add("failed_sends")
                    errors.append(error)
        finally:  # also when cancelled: an alert must not be lost without a trace
            for _ in range(left):
                settlement.settle(False)
        return errors


def _addressed(notification: Notification, recipient: str) -> Notification:
    if recipient == notification.recipient:
        return notification
    return replace(notification, recipient=recipient)


async def _send(channel: Channel, notification: Notification) -> ChannelError | None:
    try:
        await channel.send(notification)
    except Exception as error:  # noqa: BLE001 - whatever a channel raises is its own matter
        told = ChannelError(channel.name, notification, error)
        told.__cause__ = error
        return told
    return None
