"""Batches: what is to be sent while a batch is on its way makes up the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Batches", "Item"]

Item: TypeAlias = tuple[str, bytes, str]
"""Subject, body and key, as `Broker.send` has them."""


class Batches:
    """Sends items in batches, one after another; for one loop.

    Args:
        flush: sends a batch; for each item None, or what went wrong.
    """

    def __init__(self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[object]]]) -> None:
        self._flush = flush
        self._waiting: dict[asyncio.Future[None], Item] = {}
        self._task: asyncio.Task[None] | None = None

    async def send(self, item: Item) -> None:
        """Send an item with those that are waiting; return when it was acknowledged.

        Raises:
            Exception: whatever became of it, or of its batch.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = item
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            await future
        finally:  # given up: it is not to be kept while a batch hangs
            self._waiting.pop(future, None)

    async def close(self) -> None:
        """Wait until nothing is on its way."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            futures = list(batch)
            try:
                results = await self._flush(list(batch.values()))
            except Exception as error:  # noqa: BLE001 - it is the senders'
                results = [error] * len(futures)
            for future, result in zip(futures, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(None)
        self._task = None
