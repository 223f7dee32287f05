"""Lifecycle: start the handlers of a bus, and stop those that were started."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from threading import Lock
from typing import TYPE_CHECKING, Final

from busway._names import text_of
from busway.exceptions import HandlerError
from busway.handlers import handler_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from busway.bus import EventBus
    from busway.handlers import Handler

__all__ = ["Lifecycle"]

_log = logging.getLogger("busway.lifecycle")

_GRACE: Final = 1.0
"""Seconds that a start or stop which is out of time gets for its own cleaning up."""


class Lifecycle:
    """Which handlers were started, and on which loop.

    Attributes:
        loop: the one that started the bus; None while it is not started.
    """

    def __init__(self, *, start_timeout: float, stop_timeout: float) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._started: dict[int, Handler] = {}
        self._claiming = Lock()
        self._refused: dict[int, tuple[Handler, str]] = {}

    @property
    def started(self) -> tuple[str, ...]:
        """The names of the handlers that were started and not stopped."""
        return tuple(handler_name(one) for one in self._started.values())

    @property
    def refused(self) -> tuple[tuple[Handler, str], ...]:
        """The handlers that did not start, and why."""
        return tuple(self._refused.values())

    async def start(self, bus: EventBus, handlers: Iterable[Handler]) -> None:
        """Start those that are not started yet, one after another; unsubscribe who fails."""
        if self.loop is None or self.loop.is_closed():
            self.loop = asyncio.get_running_loop()
        for handler in handlers:
            with self._claiming:  # several threads may start the bus
                if id(handler) in self._started:
                    continue
                self._started[id(handler)] = handler
            task, error = _begin(handler, "start", bus), None
            try:
                error = await _within(self._start_timeout, task)
            finally:  # cancelled or not: if it has started, it will be stopped
                if error is not None or not _ended_well(task):
                    del self._started[id(handler)]
            if error is None:
                self._refused.pop(id(handler), None)
            else:
                bus.unsubscribe(handler)
                self._refuse(handler, error)

    async def stop(self) -> None:
        """Stop what was started, in reverse; nothing one does keeps the others from stopping."""
        cancelled: asyncio.CancelledError | None = None
        try:
            while self._started:
                _, handler = self._started.popitem()
                seconds = _own_stop_timeout(handler)
                try:
                    error = await _within(
                        self._stop_timeout if seconds is None else seconds,
                        _begin(handler, "stop"),
                        hurried=self._stop_timeout,
                    )
                except asyncio.CancelledError as reason:
                    cancelled = reason
                    continue
                if error is not None:
                    _log.error(
                        "handler %s did not stop well: %s",
                        handler_name(handler),
                        text_of(error),
                        exc_info=error,
                    )
            self.forget()
            if cancelled is not None:
                raise cancelled
        finally:
            cancelled = None  # it holds this frame by its traceback

    def forget(self) -> None:
        """The bus is closed: nothing is started, on no loop."""
        self.loop = None
        self._refused.clear()
        self._started.clear()

    def _refuse(self, handler: Handler, error: BaseException) -> None:
        self._refused[id(handler)] = handler, text_of(error)
        _log.error(
            "handler %s did not start and was unsubscribed: %s",
            handler_name(handler),
            text_of(error),
            exc_info=error,
        )


def _begin(handler: Handler, method: str, *arguments: object) -> asyncio.Task[None]:
    """Call a handler's optional method, in a task of its own.

    A task, so that one that suppresses its cancellation cannot hold up the others.
    """
    return asyncio.create_task(_call(handler, method, *arguments), name=f"busway {method}")


async def _call(handler: Handler, method: str, *arguments: object) -> None:
    function = getattr(handler, method, None)
    if not callable(function):
        return
    try:
        result: object = function(*arguments)
        if inspect.isawaitable(result):
            await result
    except SystemExit as error:  # of a task it would end the loop, and with it all the others
        raise HandlerError(f"{method}() exits, with {error.code!r}") from error


def _own_stop_timeout(handler: Handler) -> float | None:
    """What a handler says that its `stop` needs; None if it says nothing, or no such number."""
    try:
        said: object = getattr(handler, "stop_timeout", None)
        if isinstance(said, bool) or not isinstance(said, int | float):
            return None  # a mock, say, has every attribute
        seconds = float(said)
    except Exception:  # noqa: BLE001 - a property may raise whatever it likes; an int be too large
        return None
    return seconds if 0 <= seconds < math.inf else None


async def _within(
    seconds: float, task: asyncio.Task[None], *, hurried: float | None = None
) -> BaseException | None:
    """Wait for a task, and tell how it failed; it is waited for while the caller is cancelled.

    Args:
        seconds: after which it is cancelled.
        task: what to wait for.
        hurried: how many of them it still gets when the caller is cancelled, once or more often:
            it flushes, say. None for none.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    cancelled: asyncio.CancelledError | None = None
    try:
        while True:
            try:
                await asyncio.wait({task}, timeout=max(0.0, deadline - loop.time()))
            except asyncio.CancelledError as error:
                if cancelled is None and hurried is not None:
                    deadline = min(deadline, loop.time() + hurried)
                cancelled = error
            stays = cancelled is None or hurried is not None
            if task.done() or not stays or loop.time() >= deadline:
                break
        is_late = not task.done()
        if is_late:
            await _give_up(task)
        if cancelled is not None:
            raise cancelled
    finally:
        cancelled = None  # it holds this frame by its traceback
    if is_late:
        return TimeoutError(f"{task.get_name()} took longer than {seconds:g} s")
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _give_up(task: asyncio.Task[None]) -> None:
    if task.cancel():
        await asyncio.wait({task}, timeout=_GRACE)


def _ended_well(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
