"""Keep events from handlers, for what one context publishes."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Self, cast

from busway.decorators import FunctionHandler
from busway.events import event_type

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum
    from types import TracebackType

    from busway.decorators import HandlerFunction
    from busway.events import Event
    from busway.handlers import Handler

__all__ = ["Mute", "mutes"]

_active: Final[ContextVar[tuple[Mute, ...]]] = ContextVar("busway_testing_mutes", default=())


class Mute:
    """Inside a `with`, what is published on a test's buses reaches no handler: all are `skipped`.

    It holds for what is published in this context, and in tasks and threads that were started
    from it inside; not for others that run meanwhile. What counts is the call that publishes.
    It can be entered again, inside itself and afterwards.

    Args:
        types: only events of these types; of all if there are none.
        handlers: only these handlers, or functions under `@on_event`; all if None.

    Raises:
        EventError: if a type is not registered.
    """

    def __init__(
        self,
        *types: str,
        handlers: Iterable[Handler | HandlerFunction[[Event], object]] | None = None,
    ) -> None:
        self._types: frozenset[StrEnum] = frozenset(event_type(one) for one in types)
        self._handlers = None if handlers is None else [_handler(one) for one in handlers]

    def silences(self, event: Event, handler: Handler) -> bool:
        """Whether the event is to be kept from the handler."""
        if self._types and event.type not in self._types:
            return False
        return self._handlers is None or any(one is handler for one in self._handlers)

    def __enter__(self) -> Self:
        _active.set((*_active.get(), self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # No token: several contexts may be inside of this object at once.
        active = list(_active.get())
        active.remove(self)
        _active.set(tuple(active))


def mutes() -> tuple[Mute, ...]:
    """Those that this context is inside of."""
    return _active.get()


def _handler(one: Handler | HandlerFunction[[Event], object]) -> Handler:
    behind = getattr(one, "handler", None)
    return behind if isinstance(behind, FunctionHandler) else cast("Handler", one)
