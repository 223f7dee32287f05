"""A bus on a loop in a thread of its own, for applications that are not async."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from busway.bus import EventBus

__all__ = ["LoopThread"]


class LoopThread:
    """Enters a bus on a new loop in a new thread; leaving it stops the bus and ends the thread.

    What entering or leaving the bus raises is raised in the caller's thread.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._entered: Future[asyncio.AbstractEventLoop] = Future()
        self._leave = asyncio.Event()
        self._ended: Future[None] = Future()
        self._thread = Thread(target=self._work, name="busway")

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._loop = self._entered.result()
        except BaseException:
            self._thread.join()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()
        self._ended.result()

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._tell(error)
        else:
            self._ended.set_result(None)

    def _tell(self, error: BaseException) -> None:
        if self._entered.done():
            self._ended.set_exception(error)
        else:
            self._entered.set_exception(error)

    async def _serve(self) -> None:
        async with self._bus:
            self._entered.set_result(asyncio.get_running_loop())
            await self._leave.wait()
