"""Timeouts: how long a handler may take."""

import asyncio
import inspect
from collections.abc import Mapping

from busway import Event
from busway.handlers import Call, Handler
from busway_resilience._settings import seconds_of
from busway_resilience._states import CountingState, States
from busway_resilience.exceptions import HandlerTimeoutError

__all__ = ["TimeoutInterceptor"]


class TimeoutInterceptor:
    """Cancels handlers that take too long; their outcome is a `HandlerTimeoutError`.

    The handler runs in its own task, as without, and sees `CancelledError`. One that returns all
    the same is ok. A `TimeoutError` of its own passes as it is.

    A handler whose `handle` is a plain function is refused, where it is subscribed or where the
    interceptor is added: nothing can interrupt it. Of one under `@on_event(..., in_thread=True)`
    the waiting ends, and its thread goes on.

    Threads: its calls may run in several at once.

    Args:
        timeout: seconds that one call may take.

    Raises:
        TypeError, ValueError: if that is no number of more than 0 seconds.
    """

    name = "timeout"
    enabled_by_default = False

    def __init__(self, *, timeout: float) -> None:
        self._timeout = seconds_of("timeout", timeout, zero=False)
        self._states = States(CountingState)

    def __call__(self, handler: Handler, call_next: Call) -> Call:
        """The call of a handler, limited in time.

        Raises:
            TypeError: if the handler cannot be interrupted; it says what to do.
        """
        state, timeout = self._states.of(handler), self._timeout
        if not _can_be_interrupted(handler):
            raise TypeError(_refusal(state.name, timeout))

        async def call(event: Event) -> None:
            limit = asyncio.timeout(timeout)
            try:
                async with limit:
                    await call_next(event)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise HandlerTimeoutError(state.name, timeout) from error
            finally:
                if limit.expired():
                    state.add()

        return call

    def health(self) -> Mapping[str, int | str]:
        """`timeouts_NAME`: calls of a handler that were cancelled, of those that had some."""
        states = self._states.named().items()
        return {f"timeouts_{name}": state.count for name, state in states if state.count}


def _can_be_interrupted(handler: Handler) -> bool:
    handle = handler.handle
    return inspect.iscoroutinefunction(handle) or inspect.iscoroutinefunction(
        getattr(type(handle), "__call__", None)  # noqa: B004 - what kind of function it is
    )


def _refusal(name: str, timeout: float) -> str:
    return (
        f"handler {name} cannot have a timeout of {timeout:g} s: its handle() is a plain function, "
        "which nothing can interrupt. Make it `async def`, or a function under "
        "@on_event(..., in_thread=True), or give it no timeout: "
        f'[plugins.resilience.handlers."{name}"] timeout = 0'
    )
