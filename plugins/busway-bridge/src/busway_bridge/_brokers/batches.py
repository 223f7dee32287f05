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
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def send(self, item: Item) -> None:
        """Send an item with those that are waiting; return when it was acknowledged.

        Raises:
            Exception: whatever became of it, or of its batch.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await future

    async def close(self) -> None:
        """Wait until nothing is on its way."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting:
            batch = [one for one in self._waiting if not one[1].done()]  # some have given up
            self._waiting = []
            try:
                results = await self._flush([item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - it is the senders'
                results = [error] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(None)
        self._task = None
