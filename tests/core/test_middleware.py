"""Middleware: what every event passes, or does not."""

from __future__ import annotations

import asyncio
import gc
import warnings
from functools import partial

import pytest

from busway import Event, EventBus, MiddlewareError
from busway.middleware import pass_through


class Adds:
    """Middleware as a method: each call leaves its letter in the source."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def __call__(self, event: Event) -> Event:
        return event.replace(source=event.source + self.letter)

    def check(self, event: Event) -> Event:
        return self(event)


class Heard:
    """A handler that notes what reaches it."""

    event_types = ("user.login",)

    def __init__(self) -> None:
        self.sources: list[str] = []

    def handle(self, event: Event) -> None:
        self.sources.append(event.source)


def same(event: Event) -> Event:
    return event


def block(event: Event) -> None:
    return None


def fail(event: Event) -> Event:
    raise PermissionError("not for you")


async def coroutine(event: Event) -> Event:
    return event


def test_each_sees_what_the_last_returned():
    """In the order of the chain."""
    event, stopped_by = pass_through([Adds("a"), Adds("b"), Adds("c")], Event("user.login"))
    assert (event.source, stopped_by) == ("abc", None)


def test_an_empty_chain_changes_nothing():
    """The very event comes out."""
    event = Event("user.login")
    assert pass_through([], event) == (event, None)
    assert pass_through([], event)[0] is event


def test_none_stops_the_event():
    """The one that stopped it is told, and the next is not asked."""
    _, stopped_by = pass_through([same, block, fail], Event("user.login"))
    assert stopped_by is block


def test_one_that_raises_stops_the_event_and_is_named():
    """Access control fails closed: the error carries the middleware and its cause."""
    with pytest.raises(
        MiddlewareError, match=r"test_middleware\.fail raised PermissionError: not for you"
    ) as caught:
        pass_through([fail, same], Event("user.login"))
    assert caught.value.middleware is fail
    assert isinstance(caught.value.__cause__, PermissionError)


def test_its_own_cancellation_is_a_failure_too():
    """It is sync; a CancelledError it raises is not the publisher's."""

    def cancel(event: Event) -> Event:
        raise asyncio.CancelledError

    with pytest.raises(MiddlewareError, match="CancelledError"):
        pass_through([cancel], Event("user.login"))


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_not_wrapped(fatal):
    """Ctrl-C in a middleware is still Ctrl-C."""

    def leave(event: Event) -> Event:
        raise fatal

    with pytest.raises(fatal):
        pass_through([leave], Event("user.login"))


@pytest.mark.parametrize("returned", [True, False, 0, "user.login", {"type": "user.login"}, Event])
def test_what_is_neither_event_nor_none_stops_the_event(returned):
    """The error names the middleware and what came."""

    def odd(event: Event) -> object:
        return returned

    with pytest.raises(MiddlewareError, match=rf"odd returned {type(returned).__name__}") as caught:
        pass_through([odd], Event("user.login"))
    assert caught.value.middleware is odd


def test_an_async_middleware_stops_the_event():
    """Its coroutine is closed, so that nothing warns of one never awaited."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(MiddlewareError, match=r"coroutine returned coroutine.*is sync"):
            pass_through([coroutine], Event("user.login"))
        gc.collect()
    assert [str(one.message) for one in warned] == []


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (partial(fail), "functools.partial"),
        (len, "builtins.len"),
        (Adds(5).check, "Adds.check"),
        (Adds(5), "Adds"),
    ],
)
def test_any_callable_can_be_named(made, name):
    """Partials, builtins, methods and instances fail with their name in the error."""
    with pytest.raises(MiddlewareError, match=name):
        pass_through([made], Event("user.login"))


async def test_the_order_on_the_bus_is_that_of_adding():
    """What was added first is passed first."""
    bus, heard = EventBus(), Heard()
    bus.subscribe(heard)
    for letter in "abc":
        bus.add_middleware(Adds(letter))
    await bus.publish(Event("user.login"))
    assert heard.sources == ["abc"]


async def test_a_failing_middleware_reaches_the_publisher():
    """Nothing was dispatched."""
    bus, heard = EventBus(), Heard()
    bus.subscribe(heard)
    bus.add_middleware(fail)
    with pytest.raises(MiddlewareError, match="not for you"):
        await bus.publish(Event("user.login"))
    assert heard.sources == []


async def test_a_bound_method_is_removed_by_equality():
    """`adds.check` is another object each time it is read."""
    bus, adds = EventBus(), Adds("a")
    bus.add_middleware(adds.check)
    assert bus.remove_middleware(adds.check) is True
    assert bus.middleware == ()


def test_only_one_of_two_equal_is_removed():
    """The first; and what is not there is told by False."""
    bus, adds = EventBus(), Adds("a")
    bus.add_middleware(adds.check)
    bus.add_middleware(same)
    bus.add_middleware(adds.check)
    assert bus.remove_middleware(adds.check) is True
    assert (same, adds.check) == bus.middleware
    assert bus.remove_middleware(block) is False


def test_middleware_must_be_callable():
    """Found when it is added, not when an event comes."""
    bus = EventBus()
    with pytest.raises(TypeError, match="callable"):
        bus.add_middleware("trace")
    assert bus.middleware == ()
