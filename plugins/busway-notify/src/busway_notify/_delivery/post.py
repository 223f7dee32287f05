"""The post: everything that a handler's queued channels need."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from busway_notify._delivery.dead_letters import DeadLetters
from busway_notify._delivery.delivery import Delivery
from busway_notify._delivery.outbox import Outbox, Patience
from busway_notify._delivery.parcel import Parcel
from busway_notify._delivery.report import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from busway.bus import EventBus
    from busway_notify._queued import Queued
    from busway_notify.notification import Notification

__all__ = ["Post"]


class Post:
    """A queue for each queued channel, and what delivers from all of them.

    Args:
        channels: the queued channels.
        queue_size: how many notifications may be on their way through one of them.
        patience: how long it is tried.
        stop_timeout: for how many seconds `stop` goes on delivering.
        dead_letters: the path of the file for what could not be delivered, or None.
        name: the handler's.
    """

    def __init__(
        self,
        channels: Sequence[Queued],
        *,
        queue_size: int,
        patience: Patience,
        stop_timeout: float,
        dead_letters: Path | None,
        name: str,
    ) -> None:
        self._letters = DeadLetters(dead_letters)
        self._reporter = Reporter(name)
        self._stop_timeout = stop_timeout
        self._outboxes = [
            Outbox(one, queue_size, patience, self._letters, self._reporter.report)
            for one in channels
        ]
        self._delivery = Delivery(self._outboxes, stop_timeout)

    def begin(self, bus: EventBus) -> None:
        """From now on, report on this bus what could not be delivered."""
        self._reporter.begin(bus)

    def put(self, place: int, notification: Notification, settle: Callable[[bool], None]) -> None:
        """Have it delivered through the channel at a place; it never waits.

        Args:
            place: among the queued channels.
            notification: what to deliver.
            settle: called once, from any thread, with whether anybody got it.
        """
        parcel = Parcel(notification, settle, put_at=time.monotonic())
        self._delivery.put(self._outboxes[place], parcel)

    async def stop(self) -> None:
        """Go on delivering for `stop_timeout`, report what was not delivered, end the thread.

        Cancellation: what is left is given up at once, and becomes dead letters.
        """
        self._reporter.hold()
        try:
            await _done(self._delivery.close(self._stop_timeout))
        except asyncio.CancelledError:
            self._delivery.hurry()
            raise
        await self._reporter.release()

    def abandon(self) -> None:
        """Have what is left delivered by a thread that ends then: nobody owns this any more."""
        self._delivery.close(self._stop_timeout)

    def health(self) -> Mapping[str, int]:
        """Its counts; none if there is no queued channel."""
        if not self._outboxes:
            return {}
        return {
            "queued": sum(one.pending for one in self._outboxes),
            "delivered": sum(one.delivered for one in self._outboxes),
            "queue_full": sum(one.refused for one in self._outboxes),
            "dead_letters": self._letters.count,
            "dead_letters_unwritten": self._letters.unwritten,
        }


async def _done(job: Future[None]) -> None:
    """Wait for a job that goes on if whoever waits is cancelled, or its loop is closed."""
    if job.done():
        return
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(woken.set)

    job.add_done_callback(wake)
    await woken.wait()
