"""Each failure is logged once under `busway`, with handler, event type and id, whatever comes."""

from __future__ import annotations

import asyncio
import functools

import pytest

from busway import ANY, Event, EventType, on_event
from busway.bus import EventBus


def fails(event):
    """Fails."""
    raise ValueError("why it failed")


@pytest.mark.parametrize("suspends", [False, True])
async def test_failure_is_logged_once(bus, hear, logged, suspends):
    """A failure makes one record: handler's name, event type and id, reason, traceback."""
    error = ValueError("why it failed")

    async def handle(event):
        if suspends:
            await asyncio.sleep(0)
        raise error

    hear(handle, name="the culprit")
    event = Event("user.login", {"password": "secret"})
    await bus.publish(event)
    (record,) = logged()
    message = record.getMessage()
    for part in ("the culprit", "user.login", event.id, "why it failed"):
        assert part in message
    assert "secret" not in message
    assert record.exc_info[1] is error


async def test_each_failure_has_its_record(bus, hear, logged):
    """Two handlers that fail make two records, in their order; one that is well makes none."""
    hear(fails, name="one")
    hear(lambda _: None, name="well")
    hear(fails, name="two")
    await bus.publish(Event("user.login"))
    told = [record.getMessage() for record in logged()]
    assert ["one" in told[0], "two" in told[1], len(told)] == [True, True, 2]


async def test_own_cancellation_is_logged(bus, hear, logged):
    """A handler that was cancelled by none but itself is logged as cancelled."""

    async def cancels(event):
        raise asyncio.CancelledError

    hear(cancels, name="the culprit")
    await bus.publish(Event("user.login"))
    assert ["the culprit cancelled" in record.getMessage() for record in logged()] == [True]


async def test_nested_failure_is_logged_once(bus, hear, logged):
    """A failure of an inner handler is logged by the inner publish, and by no other."""

    async def outer(event):
        await bus.publish(Event("user.logout"))

    hear(outer, EventType.USER_LOGIN)
    hear(fails, EventType.USER_LOGOUT, name="inner")
    await bus.publish(Event("user.login"))
    assert len(logged()) == 1


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "deliver"])
async def test_logged_once_whatever_the_method(bus, hear, logged, way):
    """Each method of publishing logs a failure once."""
    handler = hear(fails)
    event = Event("user.login")
    if way == "publish_many":
        await bus.publish_many([event])
    elif way == "deliver":
        await bus.deliver(event, handler)
    else:
        await getattr(bus, way)(event)
    assert len(logged()) == 1


async def test_success_is_not_logged(bus, hear, logged):
    """Nothing is logged when all is well."""
    handled = []
    hear(handled.append)
    await bus.publish(Event("user.login"))
    assert (len(handled), logged()) == (1, [])


async def test_name_of_an_object_that_is_no_event_handler(bus, logged):
    """A handler without a name is logged as `module.Class`."""

    class Plain:
        event_types = (ANY,)
        handle = staticmethod(fails)

    bus.subscribe(Plain())
    await bus.publish(Event("user.login"))
    assert f"{__name__}.{Plain.__qualname__}" in logged()[0].getMessage()


async def test_name_of_a_decorated_function(logged):
    """A function under `@on_event` is logged by its own name."""
    on_event("user.login")(fails)
    await EventBus.get_instance().publish(Event("user.login"))
    assert f"{__name__}.fails" in logged()[0].getMessage()
    del fails.handler


class UnspeakableError(Exception):
    """Its message cannot be had."""

    def __str__(self):
        raise RuntimeError("no message")

    __repr__ = __str__


class Nameless:
    """Its name cannot be had."""

    event_types = (ANY,)

    @property
    def name(self):
        raise RuntimeError("no name")

    def handle(self, event):
        raise ValueError("why it failed")


class OddName:
    """Its name is no string."""

    event_types = (ANY,)
    name = 42
    handle = staticmethod(fails)


class Odd:
    """Answers only for the two members."""

    event_types = (ANY,)

    def handle(self, event):
        raise ValueError("why it failed")

    def __getattr__(self, name):
        raise RuntimeError(f"ask me not for {name}")

    def __repr__(self):
        raise RuntimeError("nor for this")


async def test_exception_whose_message_raises(bus, hear, logged):
    """An exception whose `__str__` raises is a failure like any other."""

    async def handle(event):
        raise UnspeakableError

    hear(handle)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["failed"]
    assert "UnspeakableError" in logged()[0].getMessage()


@pytest.mark.parametrize("make", [Nameless, OddName, Odd], ids=["nameless", "odd name", "odd"])
async def test_handler_that_cannot_be_named(bus, logged, make):
    """A handler whose name cannot be had fails like any other, and is logged."""
    handler = make()
    bus.subscribe(handler)
    event = Event("user.login")
    result = await bus.publish(event)
    assert [one.status for one in result.outcomes] == ["failed"]
    assert [event.id in record.getMessage() for record in logged()] == [True]


async def test_cancellation_of_a_handler_that_cannot_be_named(bus):
    """The result's `errors` can be had when the handler's name cannot."""

    class Cancels(Nameless):
        def handle(self, event):
            raise asyncio.CancelledError

    bus.subscribe(Cancels())
    result = await bus.publish(Event("user.login"))
    assert len(result.errors) == 1


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(fails),
        functools.partial(functools.partial(lambda _, event: fails(event), 1)),
        len,
        "{0.nothing}".format,
        functools.lru_cache(fails),
    ],
    ids=["partial", "nested partial", "builtin", "bound builtin", "wrapper"],
)
async def test_any_callable_as_handle(bus, hear, logged, function):
    """Partials, builtins and wrappers as `handle` fail like any other, and are logged once."""
    hear(function)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["failed"]
    assert len(logged()) == 1


async def test_failure_before_the_publisher_was_cancelled_is_logged(bus, hear, logged):
    """A handler that failed is logged also when its publisher is cancelled meanwhile."""

    async def waits(event):
        await asyncio.Event().wait()

    hear(fails, name="the culprit")
    hear(waits)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert ["the culprit" in record.getMessage() for record in logged()] == [True]


async def test_own_cancellation_before_the_publisher_was_cancelled_is_logged(bus, hear, logged):
    """A handler that cancelled itself is logged also when its publisher is cancelled later."""

    async def cancels(event):
        raise asyncio.CancelledError

    async def waits(event):
        await asyncio.Event().wait()

    hear(cancels, name="the culprit")
    hear(waits, name="the victim")
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert ["the culprit" in record.getMessage() for record in logged()] == [True]


async def test_handlers_cancelled_with_their_publisher_are_not_logged(bus, hear, logged):
    """To be cancelled with the publisher is no failure to log."""

    async def waits(event):
        await asyncio.Event().wait()

    hear(waits)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), logged()) == (True, [])


async def test_failure_while_being_cancelled_is_logged(bus, hear, logged):
    """A handler that fails while it cleans up after its publisher's cancellation is logged."""

    async def waits(event):
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while cleaning up")

    hear(waits)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert ["while cleaning up" in record.getMessage() for record in logged()] == [True]


async def test_failing_observer_does_not_reach_the_publisher(bus, hear):
    """`publish` never raises for a handler's failure, not even for one who is told of it."""

    class Broken:
        def handler_failed(self, event, handler, error):
            raise RuntimeError("observer")

        def event_unhandled(self, event):
            raise RuntimeError("observer")

    bus.observer = Broken()
    hear(fails, EventType.USER_LOGIN)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["failed"]


async def test_observer_is_told_of_failures(bus, hear):
    """The bus's observer is told of each failure, as `errors` has it, and of nothing else."""
    told = []

    class Observer:
        def handler_failed(self, event, handler, error):
            told.append((event, handler, error))

        def event_unhandled(self, event):
            told.append(event)

    bus.observer = Observer()
    hear(lambda _: None)
    handler = hear(fails)
    event = Event("user.login")
    result = await bus.publish(event)
    assert told == [(event, handler, result.errors[0])]


async def test_observer_is_told_of_events_nobody_wants(bus):
    """The bus's observer is told of an event without handlers."""
    told = []

    class Observer:
        def event_unhandled(self, event):
            told.append(event)

    bus.observer = Observer()
    event = Event("user.login")
    await bus.publish(event)
    assert told == [event]
