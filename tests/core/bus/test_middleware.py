"""Middleware: every event passes it first; it fails closed."""

from __future__ import annotations

import asyncio
import functools

import pytest

from busway import Event, EventType, MiddlewareError


class Odd:
    """A callable that answers no question about itself."""

    def __init__(self, answer):
        object.__setattr__(self, "answer", answer)

    def __call__(self, event):
        return object.__getattribute__(self, "answer")(event)

    def __getattribute__(self, name):
        raise RuntimeError(f"ask me not for {name}")

    def __repr__(self):
        raise RuntimeError("nor for this")


class UnspeakableError(Exception):
    """Its message cannot be had."""

    def __str__(self):
        raise ValueError("no message")


def stamp(text):
    """A middleware that adds `text` to the source."""

    def middleware(event):
        return event.replace(source=event.source + text)

    return middleware


def raising(error):
    """A middleware that raises `error`."""

    def middleware(event):
        raise error

    return middleware


async def test_runs_in_the_order_added(bus, hear):
    """Middleware runs in the order added, each seeing what the last returned."""
    seen = []
    hear(lambda event: seen.append(event.source))
    for letter in "abc":
        bus.add_middleware(stamp(letter))
    await bus.publish(Event("user.login"))
    assert seen == ["abc"]


async def test_result_holds_the_event_as_middleware_left_it(bus):
    """`result.event` is the event as the last middleware returned it."""
    bus.add_middleware(stamp("x"))
    result = await bus.publish(Event("user.login"))
    assert result.event.source == "x"


async def test_what_it_is_to_see_is_counted(bus):
    """An event is counted from the call, though nobody wanted the last one."""
    await bus.publish(Event("user.login"))
    bus.add_middleware(stamp("x"))
    event = Event("user.login")
    publishing = bus.publish(event)
    assert await bus.drain(0) == [event]
    await publishing
    assert await bus.drain(0) == []


async def test_runs_without_handlers(bus):
    """Every event passes the middleware, whether someone wants it or not."""
    seen = []
    bus.add_middleware(lambda event: seen.append(event) or event)
    event = Event("user.login")
    await bus.publish(event)
    assert seen == [event]


async def test_none_stops_the_event(bus, hear):
    """`None` stops the event: no later middleware and no handler sees it."""
    seen = []

    def stop(event):
        return None

    bus.add_middleware(stop)
    bus.add_middleware(lambda event: seen.append(event) or event)
    hear(seen.append)
    result = await bus.publish(Event("user.login"))
    assert seen == []
    assert (result.event, result.blocked_by, result.outcomes) == (None, stop, ())


async def test_stopped_event_is_not_ok(bus):
    """A result is `ok` only if the event was dispatched; being stopped raises nothing."""
    bus.add_middleware(lambda _: None)
    result = await bus.publish(Event("user.login"))
    assert (result.ok, result.errors) == (False, ())
    result.raise_for_errors()


async def test_changed_type_goes_to_its_handlers(bus, hear):
    """A middleware may change the type: the event goes to the handlers of the new one."""
    seen = []
    hear(lambda _: seen.append("login"), EventType.USER_LOGIN)
    hear(lambda _: seen.append("logout"), EventType.USER_LOGOUT)
    bus.add_middleware(lambda event: event.replace(type=EventType.USER_LOGOUT))
    await bus.publish(Event("user.login"))
    assert seen == ["logout"]


async def test_raising_stops_and_tells_the_publisher(bus, hear):
    """A middleware that raises stops the event; the publisher gets MiddlewareError naming it."""
    seen, reason = [], ValueError("no access")
    hear(seen.append)
    guard = raising(reason)
    bus.add_middleware(guard)
    with pytest.raises(
        MiddlewareError, match=r"raising\.<locals>\.middleware.*no access"
    ) as caught:
        await bus.publish(Event("user.login"))
    assert (caught.value.middleware, caught.value.__cause__) == (guard, reason)
    assert seen == []


@pytest.mark.parametrize(
    "answer", [True, 1, "event", [], object(), Event], ids=lambda answer: type(answer).__name__
)
async def test_returning_anything_else_stops(bus, hear, answer):
    """A middleware that returns neither an event nor None stops the event with an error."""
    seen = []
    hear(seen.append)
    bus.add_middleware(lambda _: answer)
    with pytest.raises(MiddlewareError, match=type(answer).__name__):
        await bus.publish(Event("user.login"))
    assert seen == []


async def test_async_middleware_stops(bus, hear):
    """A coroutine is no event: an async middleware stops it, and warns of nothing."""
    seen = []
    hear(seen.append)

    async def middleware(event):
        return event

    bus.add_middleware(middleware)
    with pytest.raises(MiddlewareError, match="coroutine"):
        await bus.publish(Event("user.login"))
    assert seen == []


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), BaseException("x")])
async def test_raising_what_is_no_exception_stops(bus, hear, error):
    """What a middleware raises stops the event with MiddlewareError, an Exception or not."""
    seen = []
    hear(seen.append)
    bus.add_middleware(raising(error))
    with pytest.raises(MiddlewareError):
        await bus.publish(Event("user.login"))
    assert seen == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_interrupt_in_middleware_leaves_publish(bus, hear, error):
    """KeyboardInterrupt and SystemExit pass untouched, and stop the event."""
    seen = []
    hear(seen.append)
    bus.add_middleware(raising(error()))
    with pytest.raises(error):
        await bus.publish(Event("user.login"))
    assert seen == []
    assert await bus.drain(0) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: functools.partial(raising, ZeroDivisionError()),
        lambda: len,
        lambda: Odd(lambda _: 1 / 0),
        lambda: Odd(lambda _: "no event"),
        lambda: raising(UnspeakableError()),
    ],
    ids=["partial", "builtin", "odd", "odd answer", "unspeakable"],
)
async def test_error_path_survives_any_callable(bus, make):
    """Whatever callable fails with whatever exception, the publisher gets MiddlewareError."""
    middleware = make()
    bus.add_middleware(middleware)
    with pytest.raises(MiddlewareError) as caught:
        await bus.publish(Event("user.login"))
    assert caught.value.middleware is middleware


async def test_nothing_is_left_counted_after_a_failure(bus):
    """An event that a middleware stopped by raising is not waited for by `drain`."""
    bus.add_middleware(raising(ValueError()))
    with pytest.raises(MiddlewareError):
        await bus.publish(Event("user.login"))
    assert await bus.drain(0) == []


class Gate:
    """Its bound method is a middleware."""

    def __init__(self):
        self.passed = 0

    def check(self, event):
        self.passed += 1
        return event


async def test_removed_by_equality(bus):
    """Bound methods are new objects each time; `remove_middleware` finds them by equality."""
    gate = Gate()
    bus.add_middleware(gate.check)
    await bus.publish(Event("user.login"))
    assert bus.remove_middleware(gate.check) is True
    await bus.publish(Event("user.login"))
    assert gate.passed == 1


def test_removing_a_stranger(bus):
    """`remove_middleware` of what is not there is False, and removes nothing."""
    bus.add_middleware(Gate().check)
    assert bus.remove_middleware(Gate().check) is False
    assert len(bus.middleware) == 1


async def test_added_twice_runs_twice_and_is_removed_once(bus):
    """The same middleware twice runs twice; `remove_middleware` takes one away."""
    gate = Gate()
    bus.add_middleware(gate.check)
    bus.add_middleware(gate.check)
    await bus.publish(Event("user.login"))
    bus.remove_middleware(gate.check)
    await bus.publish(Event("user.login"))
    assert gate.passed == 3


@pytest.mark.parametrize("thing", [None, "text", 5])
def test_what_is_not_callable(bus, thing):
    """Middleware that cannot be called raises TypeError when it is added."""
    with pytest.raises(TypeError, match=f"^middleware must be callable, {thing!r} is not$"):
        bus.add_middleware(thing)
    assert bus.middleware == ()


async def test_changed_during_a_publish_holds_for_the_next(bus, hear):
    """A middleware that adds another does not change the publish it runs in."""
    seen = []

    def late(event):
        seen.append("late")
        return event

    def adder(event):
        bus.remove_middleware(adder)
        bus.add_middleware(late)
        return event

    bus.add_middleware(adder)
    await bus.publish(Event("user.login"))
    assert seen == []
    await bus.publish(Event("user.login"))
    assert seen == ["late"]


async def test_sees_the_inherited_ids(bus, hear):
    """Middleware sees an event with the correlation id that it inherited."""
    seen = []
    bus.add_middleware(lambda event: seen.append(event.causation_id) or event)

    async def forward(event):
        await bus.publish(Event("user.logout"))

    hear(forward, EventType.USER_LOGIN)
    event = Event("user.login")
    await bus.publish(event)
    assert seen == [None, event.id]
