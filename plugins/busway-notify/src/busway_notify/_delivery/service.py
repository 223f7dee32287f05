"""The service: what the delivery's thread does, from its first parcel until it is closed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from busway_notify._delivery.outbox import LATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from busway_notify._delivery.outbox import Outbox

__all__ = ["GRACE", "Service"]

_log = logging.getLogger("busway.notify")

GRACE: Final = 2.0
"""Seconds for what was cancelled to end, and for the dead letters to be written."""


class Service:
    """Owns the lanes of all outboxes. All of it runs in one event loop.

    Args:
        outboxes: the queues.
        leave: asked when there is nothing left to do: whether this may end.

    Attributes:
        closes: the futures of those who wait for the end.
    """

    def __init__(self, outboxes: Sequence[Outbox], leave: Callable[[], bool]) -> None:
        self.closes: list[Future[None]] = []
        self._outboxes = outboxes
        self._leave = leave
        self._lanes: set[asyncio.Task[None]] = set()
        self._deadline: float | None = None
        self._stirred = asyncio.Event()

    def serve(self, outbox: Outbox) -> None:
        """See that what waits in it has lanes."""
        while outbox.wants_lane():
            outbox.lanes += 1
            lane = asyncio.get_running_loop().create_task(outbox.serve())
            self._lanes.add(lane)
            lane.add_done_callback(lambda ended: self._end(outbox, ended))
            if outbox.pending <= outbox.lanes:
                return

    def limit(self, timeout: float) -> None:
        """End when all is delivered, or after so many seconds; the sooner limit holds."""
        deadline = asyncio.get_running_loop().time() + timeout
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
        self._stirred.set()

    async def run(self) -> None:
        """Work until there is a limit, and it is reached."""
        loop = asyncio.get_running_loop()
        while True:
            await self._rest(loop)
            if self._deadline is None:
                continue
            is_late = loop.time() >= self._deadline
            if self._lanes and not is_late:
                continue
            if is_late:
                await self._give_up()
            if self._leave():
                return

    async def _rest(self, loop: asyncio.AbstractEventLoop) -> None:
        left = None if self._deadline is None else max(0.0, self._deadline - loop.time())
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._stirred.wait()
        self._stirred.clear()

    async def _give_up(self) -> None:
        for outbox in self._outboxes:
            outbox.give_up(LATE)
        for lane in self._lanes:
            lane.cancel()
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=GRACE)

    def _end(self, outbox: Outbox, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        outbox.lanes -= 1
        if not lane.cancelled() and (error := lane.exception()) is not None:
            _log.error("a lane of %s broke", outbox.channel.name, exc_info=error)
        self.serve(outbox)
        self._stirred.set()
