"""on_event: a function as a handler, subscribed to the shared bus, still callable."""

from __future__ import annotations

import asyncio
import threading
from enum import StrEnum

import pytest

from busway import ANY, Event, EventBus, EventError, EventHandler, EventType, on_event


async def test_async_function():
    """An async function under it is run for its events."""
    seen = []

    @on_event(EventType.USER_LOGIN)
    async def handle(event):
        await asyncio.sleep(0)
        seen.append(event)

    event = Event("user.login")
    await EventBus.get_instance().publish(event)
    await EventBus.get_instance().publish(Event("user.logout"))
    assert seen == [event]


async def test_sync_function():
    """A sync function under it is run inline."""
    threads = []

    @on_event(EventType.USER_LOGIN)
    def handle(event):
        threads.append(threading.current_thread())

    await EventBus.get_instance().publish(Event("user.login"))
    assert threads == [threading.current_thread()]


async def test_several_types():
    """Several types are several arguments; strings stand for members."""
    seen = []

    @on_event(EventType.USER_LOGIN, "user.logout")
    def handle(event):
        seen.append(event.type.value)

    bus = EventBus.get_instance()
    for type_ in ("user.login", "user.logout", "user.created"):
        await bus.publish(Event(type_))
    assert seen == ["user.login", "user.logout"]


async def test_any():
    """`@on_event(ANY)` hears all."""
    seen = []

    @on_event(ANY)
    def handle(event):
        seen.append(event.type)

    for type_ in EventType:
        await EventBus.get_instance().publish(Event(type_))
    assert seen == list(EventType)


def test_returns_the_function():
    """The function itself is returned, callable as before, with the handler at `.handler`."""

    def handle(event):
        return "result"

    decorated = on_event("user.login")(handle)
    assert decorated is handle
    assert decorated("anything") == "result"
    assert isinstance(decorated.handler, EventHandler)
    assert EventBus.get_instance().handlers == (decorated.handler,)


def test_handler_says_its_types_and_name():
    """`.handler` has the types and the function's name."""

    @on_event("user.login", ANY)
    def handle(event):
        pass

    assert list(handle.handler.event_types) == [EventType.USER_LOGIN, ANY]
    assert handle.handler.name == f"{__name__}.{handle.__qualname__}"


async def test_unsubscribed_by_its_handler():
    """`.handler` is what `unsubscribe` takes."""
    seen = []

    @on_event("user.login")
    def handle(event):
        seen.append(event)

    assert EventBus.get_instance().unsubscribe(handle.handler) is True
    await EventBus.get_instance().publish(Event("user.login"))
    assert seen == []


async def test_subscribed_to_the_bus_of_set_instance():
    """It registers on the shared bus, also on one that was set."""
    bus = EventBus()
    EventBus.set_instance(bus)

    @on_event("user.login")
    def handle(event):
        pass

    assert bus.handlers == (handle.handler,)


async def test_in_thread():
    """`in_thread=True` runs a sync function in another thread."""
    threads = []

    @on_event("user.login", in_thread=True)
    def handle(event):
        threads.append(threading.current_thread())

    result = await EventBus.get_instance().publish(Event("user.login"))
    assert (result.ok, len(threads)) == (True, 1)
    assert threading.current_thread() not in threads


async def test_in_thread_may_block():
    """A function in a thread may block: the loop goes on, and others run."""
    gate = threading.Event()

    @on_event("user.login", in_thread=True)
    def blocks(event):
        assert gate.wait(10)

    @on_event("user.login")
    async def releases(event):
        await asyncio.sleep(0)
        gate.set()

    assert (await EventBus.get_instance().publish(Event("user.login"))).errors == ()


async def test_in_thread_failure_is_its_outcome():
    """What a function in a thread raises is its outcome."""
    error = ValueError()

    @on_event("user.login", in_thread=True)
    def handle(event):
        raise error

    assert (await EventBus.get_instance().publish(Event("user.login"))).errors == (error,)


async def test_in_thread_is_inside_the_handler():
    """What a function in a thread publishes is caused by the event it handles."""
    seen = []
    bus = EventBus.get_instance()

    @on_event("user.login", in_thread=True)
    def handle(event):
        bus.publish_threadsafe(Event("user.logout")).result(10)

    @on_event("user.logout")
    def sees(event):
        seen.append(event)

    event = Event("user.login")
    async with bus:
        (await bus.publish(event)).raise_for_errors()
    assert [one.causation_id for one in seen] == [event.id]


def test_in_thread_still_callable():
    """A function in a thread is called directly when it is called by hand."""

    @on_event("user.login", in_thread=True)
    def handle(event):
        return threading.current_thread()

    assert handle(None) is threading.current_thread()


def test_in_thread_is_for_sync_functions():
    """`in_thread` with an async function raises TypeError, and subscribes nothing."""
    with pytest.raises(TypeError, match="in_thread"):

        @on_event("user.login", in_thread=True)
        async def handle(event):
            pass

    assert EventBus.get_instance().handlers == ()


def test_bare():
    """A bare `@on_event` raises TypeError, and subscribes nothing."""
    with pytest.raises(TypeError, match="types"):

        @on_event
        def handle(event):
            pass

    assert EventBus.get_instance().handlers == ()


@pytest.mark.parametrize("types", [(), ([],), (None,), (3,), (["user.login"],), (EventType,)])
def test_no_types(types):
    """No types, or what is no type, raises TypeError."""
    with pytest.raises(TypeError):
        on_event(*types)


class Unregistered(StrEnum):
    """Never registered."""

    THING = "thing.happened"


@pytest.mark.parametrize("type_", ["no.such", Unregistered.THING])
def test_unknown_type(type_):
    """An unknown type raises EventError."""
    with pytest.raises(EventError):
        on_event(type_)


@pytest.mark.parametrize("thing", [len, None, "text", 5])
def test_what_takes_no_attribute(thing):
    """What is no function that takes a `.handler` raises TypeError, and subscribes nothing."""
    with pytest.raises(TypeError):
        on_event("user.login")(thing)
    assert EventBus.get_instance().handlers == ()


async def test_failure_is_an_outcome():
    """A decorated function is isolated as any handler is."""

    @on_event("user.login")
    def handle(event):
        raise ValueError("x")

    result = await EventBus.get_instance().publish(Event("user.login"))
    assert [one.handler for one in result.outcomes] == [handle.handler]
    assert result.ok is False


async def test_callable_object():
    """An object that can be called, and takes attributes, is a function too."""

    class Callable:
        def __init__(self):
            self.seen = []

        async def __call__(self, event):
            self.seen.append(event)

    thing = on_event("user.login")(Callable())
    await EventBus.get_instance().publish(Event("user.login"))
    assert len(thing.seen) == 1
