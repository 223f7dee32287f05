"""Handlers of every shape that Python allows: odd callables, odd objects, odd awaitables."""

from __future__ import annotations

import asyncio
import functools
import types
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import AsyncMock, Mock

import pytest

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Seen = list[Event]

LOGIN = EventType.USER_LOGIN


class Host:
    """A class whose methods, and whose instances, see events."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def method(self, event: Event) -> None:
        self.seen.append(event)

    async def async_method(self, event: Event) -> None:
        await asyncio.sleep(0)
        self.seen.append(event)

    async def __call__(self, event: Event) -> None:
        await self.async_method(event)

    @functools.singledispatchmethod
    def dispatched(self, event: Event) -> None:
        self.seen.append(event)

    partial_method = functools.partialmethod(method)


class SyncCallable(Host):
    """An instance that is called, and returns something that is no awaitable."""

    def __call__(self, event: Event) -> Any:
        self.seen.append(event)
        return self


class Awaited:
    """A class whose instances are awaited: calling the class gives one."""

    def __init__(self, seen: Seen, event: Event) -> None:
        self.seen, self.event = seen, event

    def __await__(self) -> Iterator[Any]:
        yield from asyncio.sleep(0).__await__()
        self.seen.append(self.event)


async def function(seen: Seen, event: Event) -> None:
    seen.append(event)


def gives_future(seen: Seen) -> Callable[[Event], object]:
    def handle(event: Event) -> object:
        future = asyncio.get_running_loop().create_future()
        future.set_result(seen.append(event))
        return future

    return handle


def gives_generator(seen: Seen) -> Callable[[Event], object]:
    @types.coroutine
    def generator(event: Event) -> Iterator[None]:
        yield
        seen.append(event)

    return lambda event: generator(event)  # noqa: PLW0108 - itself it is a generator function


def wrapped(seen: Seen) -> Callable[[Event], object]:
    @functools.wraps(function)
    def handle(*args: Any) -> object:
        return function(seen, *args)

    return handle


CALLABLES: dict[str, Callable[[Seen], Any]] = {
    "builtin": lambda seen: seen.append,
    "partial": lambda seen: functools.partial(function, seen),
    "partial of a builtin": lambda seen: functools.partial(list.append, seen),
    "partial of an instance": lambda seen: functools.partial(Host(seen)),
    "partial method": lambda seen: Host(seen).partial_method,
    "bound method": lambda seen: Host(seen).method,
    "async bound method": lambda seen: Host(seen).async_method,
    "dispatched method": lambda seen: Host(seen).dispatched,
    "instance": SyncCallable,
    "async instance": Host,
    "class of awaitables": lambda seen: functools.partial(Awaited, seen),
    "cached": lambda seen: functools.lru_cache(seen.append),
    "mock": lambda seen: Mock(side_effect=seen.append),
    "async mock": lambda seen: AsyncMock(side_effect=seen.append),
    "gives a coroutine": lambda seen: lambda event: function(seen, event),
    "gives a task": lambda seen: lambda event: asyncio.ensure_future(function(seen, event)),
    "gives a future": gives_future,
    "gives a generator": gives_generator,
    "wrapped": wrapped,
}


@pytest.mark.parametrize("make", CALLABLES.values(), ids=CALLABLES)
async def test_anything_that_can_be_called_is_a_handle(
    bus: EventBus, hear: Callable[..., Any], make: Callable[[Seen], Any]
) -> None:
    """It is called once with the event, awaited if need be, and disturbs no neighbour."""
    seen: Seen = []
    around: Seen = []
    odd = types.SimpleNamespace(event_types=[LOGIN], handle=make(seen))
    hear(around.append)
    bus.subscribe(odd)
    hear(around.append)
    events = [Event(LOGIN), Event(LOGIN)]
    result = await bus.publish(events[0])
    assert [one.status for one in result.outcomes] == ["ok", "ok", "ok"]
    assert result.outcomes[1].handler is odd
    assert (seen, around) == ([events[0]], [events[0]] * 2)
    assert (await bus.deliver(events[1], odd)).status == "ok"
    assert seen == events


class Plain:
    """What the odd objects below have in common; `seen` is the class's, so that slots may lack."""

    __slots__ = ()
    event_types = (LOGIN,)
    seen: list[object] = []  # noqa: RUF012 - emptied by each test

    async def handle(self, event: Event) -> None:
        self.seen.append(event.id)
        if event.source == "fails":
            raise ValueError


class Slots(Plain):
    """It takes no attribute and no weak reference."""

    __slots__ = ()


class NoHash(Plain):
    __hash__ = None


class EqualsAll(Plain):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class EqualsNothing(Plain):
    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None


class NotToBeCompared(Plain):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compare me not")

    def __hash__(self) -> int:
        raise RuntimeError("hash me not")

    def __bool__(self) -> bool:
        raise RuntimeError("ask me not")


class ComparesLikeAnArray(Plain):
    def __eq__(self, other: object) -> Any:
        return NotToBeCompared()

    __hash__ = None


class Falsy(Plain):
    def __bool__(self) -> bool:
        return False


class Sized(Plain):
    def __len__(self) -> int:
        return 0


class HasEverything(Plain):
    """Whatever is asked of it is there, and can be called."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self


class Nameless(Plain):
    @property
    def name(self) -> str:
        raise RuntimeError("no name")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Liar(Plain):
    """It says that it is of another class."""

    __class__ = property(lambda self: str)  # type: ignore[assignment]


class Number(int, Plain):
    """It is zero."""


class Text(str, Plain):
    __slots__ = ()


class Record(NamedTuple("Record", []), Plain):
    """A tuple, empty, that equals and hashes as any other."""

    __slots__ = ()


class Mapping(dict[str, object], Plain):
    """It has no hash, and is empty."""


class Error(Exception, Plain):
    """An exception that is a handler, too."""


class Awaitable(Plain):
    """It can be awaited itself, which nobody asked for."""

    def __await__(self) -> Iterator[Any]:
        raise RuntimeError("await me not")


OBJECTS = [Slots, NoHash, EqualsAll, EqualsNothing, NotToBeCompared, ComparesLikeAnArray, Falsy]
OBJECTS += [Sized, HasEverything, Nameless, Liar, Number, Text, Record, Mapping, Error, Awaitable]


@pytest.mark.parametrize("kind", OBJECTS)
async def test_anything_with_the_two_members_is_a_handler(bus: EventBus, kind: type[Plain]) -> None:
    """It is told from others by identity alone, reached once, and unsubscribed."""
    Plain.seen.clear()
    one, other = kind(), Plain()
    for handler in (one, other, one, other):
        bus.subscribe(handler)
    assert list(map(id, bus.handlers)) == [id(one), id(other)]
    event = Event(LOGIN)
    result = await bus.publish(event)
    assert [id(each.handler) for each in result.outcomes] == [id(one), id(other)]
    assert (result.ok, Plain.seen) == (True, [event.id] * 2)
    assert (await bus.deliver(event, one)).status == "ok"
    assert bus.unsubscribe(one) is True
    assert bus.unsubscribe(one) is False
    assert list(map(id, bus.handlers)) == [id(other)]


@pytest.mark.parametrize("kind", OBJECTS)
async def test_two_of_them_are_two(bus: EventBus, kind: type[Plain]) -> None:
    """However equal they say they are, each is reached, and the one that leaves is the one."""
    Plain.seen.clear()
    first, second = kind(), kind()
    bus.subscribe(first)
    with bus.subscribed(second):
        await bus.publish(Event(LOGIN))
    assert len(Plain.seen) == 2
    assert list(map(id, bus.handlers)) == [id(first)]


@pytest.mark.parametrize("kind", OBJECTS)
async def test_the_failure_of_any_of_them_is_told(
    bus: EventBus, logged: Callable[[], list[Any]], kind: type[Plain]
) -> None:
    """Its outcome, the log, `health()` and the lifecycle survive whatever it is."""
    handler = kind()
    bus.subscribe(handler)
    async with bus:
        result = await bus.publish(Event(LOGIN, source="fails"))
        assert len(bus.health()) == 1
    assert [type(error) for error in result.errors] == [ValueError]
    assert result.outcomes[0].handler is handler
    with pytest.raises(ExceptionGroup):
        result.raise_for_errors()
    assert len(logged()) == 1
