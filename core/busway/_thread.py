"""A bus on a loop in a thread of its own, for applications that are not async."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

    from busway.bus import EventBus

__all__ = ["LoopThread"]

_LAUNCH: Final = 1.0
"""Seconds after which a thread that has not begun was never launched: an interrupt came before."""


class LoopThread:
    """Enters a bus on a new loop in a new thread; leaving it stops the bus and ends the thread.

    What entering or leaving the bus raises is raised in the caller's thread. An interrupt of the
    caller, at whatever moment, leaves the bus too.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leave = asyncio.Event()
        self._leaving = False
        self._begun = Event()
        self._entered: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = Thread(target=self._work, name="busway")

    def __enter__(self) -> Self:
        try:
            self._thread.start()
            self._entered.result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._ended.result()

    def _end(self) -> None:
        self._leaving = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._leave.set)
        if self._begun.wait(_LAUNCH):
            wait([self._ended])
            self._thread.join()

    def _work(self) -> None:
        self._begun.set()
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            if not self._entered.done():
                self._entered.set_exception(error)
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._bus:
            self._entered.set_result(None)
            if not self._leaving:
                await self._leave.wait()
