"""Interceptors wrap handlers: composed at subscribe, and anew when one comes or goes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from unittest.mock import AsyncMock, Mock

import pytest

from busway import Event, EventType, SkipHandler


def noting(notes, name):
    """An interceptor that notes when it is entered and left."""

    def interceptor(handler, call_next):
        async def call(event):
            notes.append(f"{name} in")
            try:
                return await call_next(event)
            finally:
                notes.append(f"{name} out")

        return call

    return interceptor


async def test_first_added_is_outermost(bus, hear):
    """Interceptors nest: the first added is the outermost."""
    notes = []
    bus.add_interceptor(noting(notes, "a"))
    bus.add_interceptor(noting(notes, "b"))
    hear(lambda _: notes.append("handler"))
    await bus.publish(Event("user.login"))
    assert notes == ["a in", "b in", "handler", "b out", "a out"]


async def test_added_later_wraps_present_handlers(bus, hear):
    """An interceptor wraps the handlers that are there already."""
    notes = []
    hear(lambda _: notes.append("handler"))
    bus.add_interceptor(noting(notes, "a"))
    await bus.publish(Event("user.login"))
    assert notes == ["a in", "handler", "a out"]


async def test_removed_no_longer_wraps(bus, hear):
    """A removed interceptor wraps no more; the others still do."""
    notes = []
    outer, inner = noting(notes, "a"), noting(notes, "b")
    bus.add_interceptor(outer)
    bus.add_interceptor(inner)
    hear(lambda _: notes.append("handler"))
    assert bus.remove_interceptor(outer) is True
    await bus.publish(Event("user.login"))
    assert notes == ["b in", "handler", "b out"]


def test_removing_a_stranger(bus):
    """`remove_interceptor` of what is not there is False, and removes nothing."""
    interceptor = noting([], "a")
    bus.add_interceptor(interceptor)
    assert bus.remove_interceptor(noting([], "a")) is False
    assert bus.interceptors == (interceptor,)


def test_removed_by_equality(bus):
    """A bound method is found, though it is a new object each time."""

    class Tracer:
        def wrap(self, handler, call_next):
            return call_next

    tracer = Tracer()
    bus.add_interceptor(tracer.wrap)
    assert bus.remove_interceptor(tracer.wrap) is True
    assert bus.interceptors == ()


async def test_composed_at_subscribe_not_at_publish(bus, hear):
    """An interceptor is called once when a handler is subscribed, not once an event."""
    composed = []

    def interceptor(handler, call_next):
        composed.append(handler)
        return call_next

    bus.add_interceptor(interceptor)
    handler = hear(lambda _: None)
    await bus.publish(Event("user.login"))
    await bus.publish(Event("user.login"))
    assert composed == [handler]


async def test_composed_again_when_one_comes_or_goes(bus, hear):
    """All are composed anew when an interceptor is added and when one is removed."""
    composed = []

    def interceptor(handler, call_next):
        composed.append(handler)
        return call_next

    bus.add_interceptor(interceptor)
    hear(lambda _: None)
    other = noting([], "a")
    bus.add_interceptor(other)
    bus.remove_interceptor(other)
    assert len(composed) == 3


async def test_recomposition_keeps_the_order(bus, hear):
    """Handlers keep their places when an interceptor comes."""
    order = []
    for number in range(5):
        hear(lambda _, number=number: order.append(number), *(["user.login"] if number % 2 else []))
    bus.add_interceptor(noting([], "a"))
    await bus.publish(Event("user.login"))
    assert order == [0, 1, 2, 3, 4]


async def test_is_given_the_handler_itself(bus):
    """An interceptor is given the very object that was subscribed."""
    given = []
    bus.add_interceptor(lambda handler, call: given.append(handler) or call)
    handler = Mock(event_types=["user.login"], handle=AsyncMock())
    bus.subscribe(handler)
    assert given == [handler]


@pytest.mark.parametrize("sync", [True, False])
async def test_call_next_is_async_for_any_handler(bus, hear, sync):
    """Interceptors await the call, whether the handler is async or not."""
    handled = []

    async def handle(event):
        handled.append(event)

    bus.add_interceptor(noting([], "a"))
    hear(handled.append if sync else handle)
    event = Event("user.login")
    assert (await bus.publish(event)).ok
    assert handled == [event]


async def test_skip_handler(bus, hear, logged):
    """`SkipHandler` makes the outcome `skipped`: no failure, and nothing to log."""
    handled = []

    def keep_out(handler, call_next):
        async def call(event):
            raise SkipHandler

        return call

    bus.add_interceptor(keep_out)
    hear(handled.append)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["skipped"]
    assert isinstance(result.outcomes[0].exception, SkipHandler)
    assert (result.ok, result.errors, handled, logged()) == (True, (), [], [])


async def test_keep_an_event_from_certain_handlers(bus, hear):
    """An interceptor may skip one handler and let another have the event."""

    def keep_out(handler, call_next):
        async def call(event):
            if handler.name == "barred":
                raise SkipHandler
            await call_next(event)

        return call

    bus.add_interceptor(keep_out)
    hear(lambda _: None, name="barred")
    hear(lambda _: None, name="welcome")
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["skipped", "ok"]


async def test_what_an_interceptor_raises_is_the_outcome(bus, hear):
    """An exception in an interceptor's call is the outcome of the handler it wraps."""
    error = ValueError("span")

    def interceptor(handler, call_next):
        async def call(event):
            raise error

        return call

    bus.add_interceptor(interceptor)
    hear(lambda _: None)
    result = await bus.publish(Event("user.login"))
    assert result.errors == (error,)


async def test_swallowing_makes_it_ok(bus, hear):
    """An interceptor that deals with the failure makes the outcome `ok`."""

    def interceptor(handler, call_next):
        async def call(event):
            with contextlib.suppress(ZeroDivisionError):
                await call_next(event)

        return call

    bus.add_interceptor(interceptor)
    hear(lambda _: 1 / 0)
    assert (await bus.publish(Event("user.login"))).ok


async def test_retry(bus, hear):
    """An interceptor may call the handler again."""
    calls = []

    async def flaky(event):
        calls.append(event)
        if len(calls) < 3:
            raise ConnectionError

    def retry(handler, call_next):
        async def call(event):
            for _ in range(2):
                try:
                    return await call_next(event)
                except ConnectionError:
                    pass
            return await call_next(event)

        return call

    bus.add_interceptor(retry)
    hear(flaky)
    assert (await bus.publish(Event("user.login"))).ok
    assert len(calls) == 3


async def test_timeout(bus, hear, soon):
    """A timeout around a handler is an interceptor: that handler fails, the other is ok."""

    async def hang(event):
        await asyncio.Event().wait()

    def limit(handler, call_next):
        async def call(event):
            async with asyncio.timeout(0.001):
                await call_next(event)

        return call

    bus.add_interceptor(limit)
    hear(hang)
    hear(lambda _: None)
    result = await soon(bus.publish(Event("user.login")))
    assert [type(one) for one in result.errors] == [TimeoutError]
    assert [one.status for one in result.outcomes] == ["failed", "ok"]


@pytest.mark.parametrize("thing", [None, "text", 5])
def test_what_is_not_callable(bus, thing):
    """An interceptor that cannot be called raises TypeError when it is added."""
    with pytest.raises(TypeError, match=f"^interceptor must be callable, {thing!r} is not$"):
        bus.add_interceptor(thing)
    assert bus.interceptors == ()


async def test_returning_nothing_callable_at_subscribe(bus):
    """An interceptor that returns no callable refuses the handler: it is not subscribed."""
    bus.add_interceptor(lambda handler, call: None)
    with pytest.raises(TypeError, match="callable"):
        bus.subscribe(Mock(event_types=["user.login"], handle=AsyncMock()))
    assert bus.handlers == ()


async def test_adding_one_that_refuses_changes_nothing(bus, hear):
    """If an interceptor refuses a present handler, none is wrapped and it is not added."""
    notes = []

    def refuse(handler, call_next):
        if handler.name == "second":
            raise RuntimeError("not this one")
        return noting(notes, "refuse")(handler, call_next)

    hear(lambda _: notes.append("first"), name="first")
    hear(lambda _: notes.append("second"), name="second")
    with pytest.raises(RuntimeError, match="not this one"):
        bus.add_interceptor(refuse)
    await bus.publish(Event("user.login"))
    assert bus.interceptors == ()
    assert notes == ["first", "second"]


async def test_added_during_a_publish_holds_for_the_next(bus, hear):
    """A publish goes on with the handlers as they were composed when it was dispatched."""
    notes = []

    def add(event):
        if not bus.interceptors:
            bus.add_interceptor(noting(notes, "a"))

    hear(add)
    hear(lambda _: notes.append("second"))
    await bus.publish(Event("user.login"))
    assert notes == ["second"]


async def test_wraps_nested_publishes_too(bus, hear):
    """Every handler is wrapped, whoever publishes."""
    notes = []
    bus.add_interceptor(noting(notes, "a"))

    async def forward(event):
        await bus.publish(Event("user.logout"))

    hear(forward, EventType.USER_LOGIN)
    hear(lambda _: notes.append("inner"), EventType.USER_LOGOUT)
    await bus.publish(Event("user.login"))
    assert notes == ["a in", "a in", "inner", "a out", "a out"]


async def test_one_added_while_a_handler_is_being_subscribed(bus):
    """No handler escapes an interceptor that another thread adds while it is subscribed."""
    composing, added, notes = threading.Event(), threading.Event(), []

    def slow(handler, call_next):
        if not composing.is_set():
            composing.set()
            added.wait(0.3)  # a bus that lets nobody in meanwhile is right too
        return call_next

    bus.add_interceptor(slow)
    thread = threading.Thread(
        target=bus.subscribe, args=(Mock(event_types=["user.login"], handle=AsyncMock()),)
    )
    thread.start()
    assert composing.wait(10)
    bus.add_interceptor(noting(notes, "guard"))
    added.set()
    thread.join(10)
    await bus.publish(Event("user.login"))
    assert notes == ["guard in", "guard out"]


def test_interceptor_may_add_middleware_when_composed(bus, hear):
    """Composing an interceptor runs the plugin's code, which may use the bus: no deadlock."""

    def interceptor(handler, call_next):
        bus.add_middleware(lambda event: event)
        return call_next

    hear(lambda _: None)
    thread = threading.Thread(target=bus.add_interceptor, args=(interceptor,), daemon=True)
    thread.start()
    thread.join(2)
    assert not thread.is_alive()
    assert len(bus.middleware) == 1
