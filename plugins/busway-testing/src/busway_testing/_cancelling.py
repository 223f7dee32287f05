"""Cancel a coroutine at its n-th suspension, and see what becomes of it."""

from __future__ import annotations

import asyncio
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from busway_testing._running import BRAKE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextlib import AbstractAsyncContextManager

__all__ = ["answer_to_cancellation"]

_MOST: Final = 20
"""Suspensions at which it is tried; who waits in a loop does the same at all of them."""

_STEPS: Final = 1_000
"""Suspensions that cleaning up may take; more, and it goes on as if nothing had been asked."""


async def answer_to_cancellation(
    attempt: Callable[[], AbstractAsyncContextManager[Coroutine[object, object, object]]],
) -> str | None:
    """Run new coroutines, each cancelled at the next suspension of it.

    Args:
        attempt: makes a coroutine, and tidies up after it.

    Returns:
        What one did instead of ending by CancelledError; None if all of them did that.
    """
    for nth in range(1, _MOST + 1):
        async with attempt() as coroutine:
            driver = _Driver(coroutine, nth)
            told = await driver.outcome()
        if told is not None:
            return f"cancelled at its suspension number {nth}, it {told}"
        if not driver.was_cancelled:
            return None
    return None


class _Driver:
    """Drives a coroutine in a task of its own, and cancels that once."""

    def __init__(self, coroutine: Coroutine[object, object, object], nth: int) -> None:
        self.was_cancelled = False
        self._coroutine = coroutine
        self._nth = nth
        self._steps = 0
        self._abandoned = False

    async def outcome(self) -> str | None:
        """What it did instead; None if it ended as it should, or before it was cancelled."""
        task = asyncio.create_task(self._drive())
        await asyncio.wait({task}, timeout=BRAKE)
        if not task.done():
            self._abandoned = True
            task.cancel()
            await asyncio.wait({task}, timeout=BRAKE)
            return f"still waited {BRAKE:g} s later: is CancelledError caught?"
        if not self.was_cancelled or (task.cancelled() and not self._abandoned):
            _look_at(task)
            return None
        if self._abandoned:
            return f"went on for {_STEPS} more suspensions: is CancelledError caught?"
        if task.exception() is None:
            return "returned as if nothing had happened: let CancelledError pass, or raise it again"
        return f"raised {task.exception()!r}: let CancelledError pass, or raise it again"

    async def _drive(self) -> None:
        await self._step_by_step()

    @types.coroutine
    def _step_by_step(self) -> Generator[object, object, None]:
        error: BaseException | None = None
        while True:
            try:
                awaited = (
                    self._coroutine.send(None) if error is None else self._coroutine.throw(error)
                )
            except StopIteration:
                return
            self._count()
            error = None
            try:
                yield awaited
            except BaseException as thrown:  # noqa: BLE001 - it goes where it is meant to
                error = thrown
            if self._abandoned or isinstance(error, GeneratorExit):
                _close(self._coroutine)
                raise asyncio.CancelledError

    def _count(self) -> None:
        self._steps += 1
        task = asyncio.current_task()
        if self._steps == self._nth and task is not None:
            self.was_cancelled = True
            asyncio.get_running_loop().call_soon(task.cancel)
        self._abandoned = self._abandoned or self._steps > self._nth + _STEPS


def _look_at(task: asyncio.Task[None]) -> None:
    """Its failure, before it was cancelled, is another test's matter."""
    if not task.cancelled():
        task.exception()


def _close(coroutine: Coroutine[object, object, object]) -> None:
    with suppress(BaseException):  # it may not even let itself be thrown away
        coroutine.close()
