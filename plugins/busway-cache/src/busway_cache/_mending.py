"""Flush a shared cache as soon as it can be reached again, for others who may see what is stale."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from busway_cache.loading import LoadingCache

__all__ = ["Mender"]

_log = logging.getLogger("busway.cache")


class Mender:
    """Looks after a cache while a bus runs; its task is its own, and `stop` awaits it.

    Threads: any. Where buses run on several loops, there is a task on each.

    Args:
        cache: what to flush when that is owed.
        patience: seconds for the last try, when it is stopped.
    """

    def __init__(self, cache: LoadingCache, *, patience: float) -> None:
        self._cache = cache
        self._patience = patience
        self._tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin; a second time on the same loop there is nothing to do."""
        loop = asyncio.get_running_loop()
        for other in [one for one in self._tasks.copy() if one.is_closed()]:
            self._tasks.pop(other, None)
        if loop not in self._tasks or self._tasks[loop].done():
            self._tasks[loop] = loop.create_task(self._mend(), name="busway-cache")

    async def stop(self) -> None:
        """End on this loop, after one more try if a flush is owed."""
        task = self._tasks.pop(asyncio.get_running_loop(), None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._cache.usable:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._cache.recover()
        if not self._cache.usable:
            _log.error(
                "an invalidation failed and no flush has succeeded since: other processes may see "
                "older data until it expires"
            )

    async def _mend(self) -> None:
        task = asyncio.current_task()
        # once cancelled it ends: a client may swallow that (`wait_for` on Python 3.11)
        while task is not None and not task.cancelling():
            await asyncio.sleep(self._cache.retry_after)
            await self._cache.recover()
