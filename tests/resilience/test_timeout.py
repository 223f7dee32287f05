"""Timeouts: a handler that takes too long is cancelled, and told apart from others."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from busway import Event, EventBus, on_event
from busway_resilience import HandlerTimeoutError, TimeoutInterceptor

EVENT = "user.login"


async def test_a_handler_that_takes_too_long_is_cancelled(bus, hear, gate):
    """It sees it; its outcome is an error that names it; the others are not disturbed."""
    bus.add_interceptor(TimeoutInterceptor(timeout=0.01))
    hear(gate, name="slow")

    async def quick(event):
        """Returns at once."""

    hear(quick, name="quick")
    result = await bus.publish(Event(EVENT))
    (error,) = result.errors
    assert isinstance(error, HandlerTimeoutError)
    assert isinstance(error, TimeoutError)
    assert (error.handler, error.timeout) == ("slow", 0.01)
    assert str(error) == "handler slow did not end within 0.01 s"
    assert [one.status for one in result.outcomes] == ["failed", "ok"]
    assert gate.running == 0
    assert bus.health()["timeout"] == {"timeouts_slow": 1}


async def test_one_that_ends_in_time_is_ok(bus, hear, outcome):
    """It may suspend."""
    bus.add_interceptor(TimeoutInterceptor(timeout=60))

    async def short(event):
        await asyncio.sleep(0)

    hear(short)
    assert outcome(await bus.publish(Event(EVENT))) == ("ok", None)
    assert "timeout" not in bus.health()


async def test_a_timeout_of_the_handler_s_own_passes_as_it_is(bus, hear, fails, outcome):
    """That of a socket, say."""
    own = TimeoutError("of mine")
    bus.add_interceptor(TimeoutInterceptor(timeout=60))
    hear(fails(own))
    assert outcome(await bus.publish(Event(EVENT))) == ("failed", own)
    assert "timeout" not in bus.health()


async def test_a_timeout_within_the_handler_works(bus, hear):
    """The inner one ends what is in it, and the outer one is not touched."""
    bus.add_interceptor(TimeoutInterceptor(timeout=60))
    ended = []

    async def nested(event):
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append(asyncio.current_task().cancelling())

    hear(nested)
    assert (await bus.publish(Event(EVENT))).ok
    assert ended == [0]


async def test_one_that_returns_though_it_was_cancelled_is_ok(bus, hear, gate, outcome):
    """As without an interceptor: what returns is ok whatever it did to its task."""
    bus.add_interceptor(TimeoutInterceptor(timeout=0.01))

    async def stubborn(event):
        try:
            await gate(event)
        except asyncio.CancelledError:
            return

    hear(stubborn)
    assert outcome(await bus.publish(Event(EVENT)))[0] == "ok"
    assert bus.health()["timeout"] == {"timeouts_worker": 1}


async def test_what_fails_while_it_is_cancelled_is_the_outcome(bus, hear, gate, outcome):
    """It was cancelled all the same, and is counted."""
    bus.add_interceptor(TimeoutInterceptor(timeout=0.01))

    async def clumsy(event):
        try:
            await gate(event)
        finally:
            raise KeyError("cleaning up")

    hear(clumsy)
    status, error = outcome(await bus.publish(Event(EVENT)))
    assert (status, type(error)) == ("failed", KeyError)
    assert bus.health()["timeout"] == {"timeouts_worker": 1}


async def test_cancelling_the_publisher_passes(bus, hear, gate):
    """It is no timeout."""
    bus.add_interceptor(TimeoutInterceptor(timeout=60))
    hear(gate)
    task = asyncio.create_task(bus.publish(Event(EVENT)))
    await gate.until(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.running == 0
    assert "timeout" not in bus.health()


def plain(event):
    """A handler that nothing can interrupt."""


REFUSED = r"handler worker cannot have a timeout of 5 s: .*`async def`.*in_thread=True.*timeout = 0"


def test_a_plain_function_is_refused_where_it_is_subscribed(bus, make):
    """With what to do about it; nothing of it is left."""
    interceptor = TimeoutInterceptor(timeout=5)
    bus.add_interceptor(interceptor)
    with pytest.raises(TypeError, match=REFUSED):
        bus.subscribe(make(plain))
    assert bus.handlers == ()
    gc.collect()
    assert interceptor._states.named() == {}


def test_a_plain_function_is_refused_where_the_interceptor_is_added(bus, hear, fails):
    """Nothing is changed, for no handler."""
    hear(fails(), name="async")
    hear(plain)
    with pytest.raises(TypeError, match=REFUSED):
        bus.add_interceptor(TimeoutInterceptor(timeout=5))
    assert bus.interceptors == ()
    assert len(bus.handlers) == 2


async def test_a_function_in_a_thread_can_be_waited_for_so_long():
    """The waiting ends; the thread goes on."""
    release, ended = threading.Event(), threading.Event()

    @on_event(EVENT, in_thread=True)
    def blocking(event):
        release.wait(10)
        ended.set()

    bus = EventBus.get_instance()
    bus.add_interceptor(TimeoutInterceptor(timeout=0.01))
    try:
        (error,) = (await bus.publish(Event(EVENT))).errors
        assert isinstance(error, HandlerTimeoutError)
        assert not ended.is_set()
    finally:
        release.set()
    assert await asyncio.to_thread(ended.wait, 10)


def test_an_object_that_is_called_may_be_async(bus, hear, fails):
    """What counts is whether calling it gives a coroutine."""
    bus.add_interceptor(TimeoutInterceptor(timeout=5))
    hear(fails())
    assert len(bus.handlers) == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(timeout):
    """With the setting's name."""
    with pytest.raises(ValueError, match=r"^timeout: .* more than 0"):
        TimeoutInterceptor(timeout=timeout)
