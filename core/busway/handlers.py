"""Handlers: what reacts to events, and what the bus keeps of one that is subscribed."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, runtime_checkable

from busway._names import name_of, text_attribute

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from enum import StrEnum

    from busway.bus import EventBus
    from busway.events import Event

__all__ = [
    "ANY",
    "UNHEARD",
    "AnyType",
    "Call",
    "EventHandler",
    "Handler",
    "Snapshot",
    "Subscription",
    "handler_name",
]


class AnyType(enum.Enum):
    """The type of `ANY`."""

    ANY = "*"

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = AnyType.ANY
"""In `event_types`: every event, of types that plugins bring and bring later too."""

Call: TypeAlias = "Callable[[Event], Awaitable[object]]"


@runtime_checkable
class Handler(Protocol):
    """What `subscribe` takes: anything with these two members."""

    @property
    def event_types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """The types of event it wants."""

    def handle(self, event: Event, /) -> Awaitable[object] | object:
        """Reacts to one event."""


class _ClassPath:
    """The default of `EventHandler.name`; a plain attribute, on class or instance, replaces it."""

    def __get__(self, handler: object, owner: type) -> str:
        return f"{owner.__module__}.{owner.__qualname__}"


class EventHandler(ABC):
    """Reacts to events of some types.

    A subclass gives `event_types` and `handle`; the rest is optional. Its keyword parameters are
    its settings when it is installed as a plugin. It must work on a bus that was never started.

    >>> class Greeter(EventHandler):
    ...     event_types = ["user.created"]
    ...     async def handle(self, event):
    ...         print("hello", event.payload["user_id"])
    """

    if TYPE_CHECKING:
        name: str
        """What reports and logs call it: `module.Class` unless set."""
    else:
        name = _ClassPath()

    enabled_by_default: bool = True
    """Whether an installed plugin is active without a setting `enabled`."""

    stop_timeout: float | None = None
    """How many seconds its `stop` may take, where those of the bus will not do; None for those."""

    @property
    @abstractmethod
    def event_types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """The types of event it wants, or `[ANY]`; read once, when it is subscribed."""

    @abstractmethod
    def handle(self, event: Event) -> Awaitable[None] | None:
        """React to one event: `async def`, or a plain `def`, which runs inline.

        What it raises is its own outcome and reaches nobody else. It may suspend, publish,
        subscribe and unsubscribe. If the publisher is cancelled it sees `CancelledError`.

        Args:
            event: not to be changed; others see it too.
        """

    async def start(self, bus: EventBus) -> None:  # noqa: B027 - optional
        """Acquire what it needs, when `bus` starts; at most `start_timeout` seconds.

        Runs in a task of its own. One that raises or takes longer is unsubscribed and reported.
        """

    async def stop(self) -> None:  # noqa: B027 - optional
        """Release it and flush, when the bus has drained; at most `stop_timeout` seconds.

        Those are the handler's own, if it has that attribute, else the bus's. If the stopping of
        the bus is cancelled, the bus's count from then on, should they be over sooner.

        Runs in a task of its own, in reverse order of starting, and only after `start` returned.
        The bus still delivers what it publishes meanwhile: a report of what could not be flushed,
        say. It reaches handlers that have stopped already, too.
        """

    def health(self) -> Mapping[str, int | str]:
        """What it says of itself: counts and states by name."""
        return {}


def handler_name(handler: object) -> str:
    """The name of anything that was subscribed."""
    return text_attribute(handler, "name") or name_of(type(handler))


class Subscription:
    """A handler as the bus keeps it: its types as read at subscribe, and its compiled call.

    Attributes:
        handler: the handler.
        types: event types, or `(ANY,)`; `ANY` absorbs the others.
        call: the async callable that the lanes await, interceptors and all.
        order: its place among all subscriptions of the bus.
    """

    __slots__ = ("call", "handler", "order", "types")

    def __init__(
        self, handler: Handler, types: Iterable[StrEnum | Literal[AnyType.ANY]], call: Call
    ) -> None:
        self.handler: Handler = handler
        self.types: tuple[StrEnum | Literal[AnyType.ANY], ...] = tuple(types)
        self.call: Call = call
        self.order: int = -1


class Snapshot:
    """The handlers that an event reaches, at one moment, in order; never changed.

    Attributes:
        subscriptions: what the bus keeps of them.
        calls: what the lanes await, one a subscription, no two of them the same object: so what
            one has raised is kept by its identity.
    """

    __slots__ = ("calls", "subscriptions")

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self.subscriptions: tuple[Subscription, ...] = tuple(subscriptions)
        calls = [one.call for one in self.subscriptions]
        if len({id(call) for call in calls}) < len(calls):
            calls = [partial(call) for call in calls]  # one function serves several handlers
        self.calls: tuple[Call, ...] = tuple(calls)


UNHEARD: Final = Snapshot(())
"""Of an event that nobody wants."""
