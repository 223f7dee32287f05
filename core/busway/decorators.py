"""`on_event`: a function as a handler."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Literal, ParamSpec, Protocol, TypeVar, cast

from busway._names import name_of
from busway.bus import EventBus
from busway.events import event_type
from busway.handlers import ANY, EventHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from enum import StrEnum

    from busway.events import Event
    from busway.handlers import AnyType

__all__ = ["FunctionHandler", "HandlerFunction", "hold_registrations", "on_event"]

_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)

_held: Final[ContextVar[list[FunctionHandler] | None]] = ContextVar("busway_held", default=None)


class HandlerFunction(Protocol[_P, _R_co]):
    """A function under `@on_event`: callable as before, its handler at `.handler`."""

    handler: FunctionHandler

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co:
        """Call the function itself."""


class FunctionHandler(EventHandler):
    """The handler that `@on_event` makes of a function.

    Attributes:
        name: `module.function`.
        function: the function.
    """

    def __init__(
        self,
        function: Callable[[Event], object],
        types: Sequence[StrEnum | Literal[AnyType.ANY]],
        *,
        in_thread: bool,
    ) -> None:
        self.name: str = name_of(function)
        self.function = function
        self._types = tuple(types)
        self._in_thread = in_thread

    @property
    def event_types(self) -> Sequence[StrEnum | Literal[AnyType.ANY]]:
        """The types given to `@on_event`."""
        return self._types

    @property
    def handle(self) -> Callable[[Event], Awaitable[None] | None]:
        """The function itself, or a call of it in a thread."""
        function = self._handle_in_thread if self._in_thread else self.function
        return cast("Callable[[Event], Awaitable[None] | None]", function)

    async def _handle_in_thread(self, event: Event) -> None:
        await asyncio.to_thread(self.function, event)


def on_event(
    *types: StrEnum | str | Literal[AnyType.ANY], in_thread: bool = False
) -> Callable[[Callable[_P, _R_co]], HandlerFunction[_P, _R_co]]:
    """Make a function a handler, subscribed to the shared bus.

    Args:
        types: the types of event it wants, or `ANY`.
        in_thread: run a sync function in a thread, so that it may block; cancelling the
            publisher does not stop a thread.

    Returns:
        The function, callable as before, with the handler at `.handler`.

    Raises:
        TypeError: if no type is given (`@on_event` without parentheses, `@on_event()`), if the
            function takes no attributes, or if it is async and `in_thread` is asked for.
        EventError: if a type is not registered.

    >>> @on_event("user.login")
    ... async def greet(event):
    ...     print("hello", event.payload["user_id"])
    >>> greet.handler.name.endswith("greet")
    True
    >>> EventBus.reset()
    """
    if not types or not all(isinstance(one, str) or one is ANY for one in types):
        raise TypeError("on_event needs the types of event: @on_event(EventType.USER_CREATED)")
    wanted = [ANY if one is ANY else event_type(one) for one in types]

    def decorate(function: Callable[_P, _R_co]) -> HandlerFunction[_P, _R_co]:
        if not callable(function):
            raise TypeError(f"on_event decorates a function, not {function!r}")
        if in_thread and inspect.iscoroutinefunction(function):
            raise TypeError(f"in_thread is for sync functions; {name_of(function)} is async")
        handler = FunctionHandler(
            cast("Callable[[Event], object]", function), wanted, in_thread=in_thread
        )
        decorated = cast("HandlerFunction[_P, _R_co]", function)
        try:
            decorated.handler = handler
        except AttributeError:
            raise TypeError(f"on_event decorates a function, not {function!r}") from None
        _register(handler)
        return decorated

    return decorate


@contextmanager
def hold_registrations() -> Iterator[list[FunctionHandler]]:
    """Collect the handlers that `on_event` makes, instead of subscribing them.

    A plugin's import is run under it, so that nothing of a plugin that fails is left behind.
    """
    held: list[FunctionHandler] = []
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)


def _register(handler: FunctionHandler) -> None:
    held = _held.get()
    if held is None:
        EventBus.get_instance().subscribe(handler)
    else:
        held.append(handler)
