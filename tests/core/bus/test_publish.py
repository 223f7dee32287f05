"""publish: waits for all, tells how each handler ended, in order, and never yields by itself."""

from __future__ import annotations

import asyncio

import pytest

from busway import (
    ANY,
    Event,
    EventHandler,
    EventType,
    HandlerCancelledError,
    HandlerError,
)


async def test_no_handlers_is_no_error(bus):
    """An event that nobody wants is dispatched all the same: `ok`, without outcomes."""
    event = Event("user.login")
    result = await bus.publish(event)
    assert (result.event, result.blocked_by, result.outcomes, result.ok) == (event, None, (), True)


@pytest.mark.usefixtures("plain")
async def test_handlers_see_the_very_event(bus, hear):
    """Without debug mode handlers see the event itself, and the result holds it."""
    seen = []
    hear(seen.append)
    event = Event("user.login", {"user_id": 1})
    result = await bus.publish(event)
    assert seen[0] is event
    assert result.event is event


@pytest.mark.parametrize("thing", ["user.login", None, EventType.USER_LOGIN, {}, Event])
async def test_what_is_no_event(bus, thing):
    """Publishing anything but an event raises TypeError, and leaves nothing counted."""
    with pytest.raises(TypeError, match="Event"):
        await bus.publish(thing)
    assert await bus.drain(0) == []


async def test_one_outcome_a_handler_in_order(bus, hear):
    """`outcomes` has one entry a handler, in the order of subscription, however they end."""

    async def waits(event):
        await asyncio.sleep(0)

    def fails(event):
        raise ValueError

    async def cancelled(event):
        raise asyncio.CancelledError

    handlers = [hear(waits), hear(fails), hear(cancelled), hear(lambda _: None)]
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["ok", "failed", "cancelled", "ok"]
    assert [one.handler for one in result.outcomes] == handlers


async def test_outcome_holds_what_was_raised(bus, hear):
    """`exception` is the very exception; None where the handler returned."""
    error = ValueError("x")

    async def fails(event):
        raise error

    hear(fails)
    hear(lambda _: None)
    result = await bus.publish(Event("user.login"))
    assert [one.exception for one in result.outcomes] == [error, None]


async def test_waits_for_all_handlers(bus, hear):
    """`publish` returns when the slowest handler has ended."""
    gate, ended = asyncio.Event(), []

    async def waits(event):
        await gate.wait()
        ended.append("slow")

    hear(waits)
    hear(lambda _: ended.append("fast"))
    task = asyncio.create_task(bus.publish(Event("user.login")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (task.done(), ended) == (False, ["fast"])
    gate.set()
    await task
    assert ended == ["fast", "slow"]


async def test_waiting_handlers_wait_concurrently(bus, hear, soon):
    """Handlers that wait for one another all come to their end."""
    barrier = asyncio.Barrier(3)
    for _ in range(3):

        async def meet(event):
            await barrier.wait()

        hear(meet)
    result = await soon(bus.publish(Event("user.login")))
    assert (len(result.outcomes), result.ok) == (3, True)


async def test_handlers_that_await_one_future(bus, hear, soon):
    """Several handlers, and others, may await the same future."""
    future = asyncio.get_running_loop().create_future()

    async def wait(event):
        await future

    for _ in range(3):
        hear(wait)
    publishing = asyncio.create_task(bus.publish(Event("user.login")))
    other = asyncio.create_task(asyncio.wait_for(future, 10))
    asyncio.get_running_loop().call_later(0.001, future.set_result, None)
    result = await soon(publishing)
    await other
    assert result.errors == ()


async def test_handler_and_another_task_await_one_task(bus, hear, soon):
    """A handler may await a task that others await too, before the loop comes round to it."""
    gate = asyncio.Event()
    shared = asyncio.create_task(gate.wait())

    async def wait(event):
        await shared

    async def bystander():
        await shared

    hear(wait)
    await asyncio.sleep(0)
    publishing = asyncio.create_task(bus.publish(Event("user.login")))
    other = asyncio.create_task(bystander())  # between the handler's first step and the next turn
    await asyncio.sleep(0)
    gate.set()
    result = await soon(publishing)
    await other
    assert result.errors == ()


async def test_future_that_is_done_when_the_handler_is_taken_up(bus, hear, soon):
    """A handler may wait for a future that is set before the loop turns."""
    future = asyncio.get_running_loop().create_future()

    async def wait(event):
        assert await future == 42

    hear(wait)
    hear(lambda _: future.set_result(42))
    assert (await soon(bus.publish(Event("user.login")))).ok


async def test_sync_handler_runs_inline(bus, hear):
    """A plain `def handle` runs inline, in the publisher's thread."""
    import threading

    threads = []
    hear(lambda _: threads.append(threading.current_thread()))
    await bus.publish(Event("user.login"))
    assert threads == [threading.current_thread()]


class Awaitable:
    """Awaitable, and no coroutine."""

    def __init__(self, awaited):
        self.awaited = awaited

    def __await__(self):
        self.awaited.append(self)
        yield from asyncio.sleep(0).__await__()


async def _note(notes):
    await asyncio.sleep(0)
    notes.append("coroutine")


@pytest.mark.parametrize(
    "make",
    [_note, lambda notes: asyncio.ensure_future(_note(notes)), Awaitable],
    ids=["coroutine", "task", "awaitable"],
)
async def test_awaitable_that_a_sync_handler_returns_is_awaited(bus, hear, make):
    """What a plain `def handle` returns is awaited if it is awaitable."""
    awaited = []
    hear(lambda _: make(awaited))
    assert (await bus.publish(Event("user.login"))).ok
    assert len(awaited) == 1


@pytest.mark.parametrize("value", [1, "text", False, Exception("returned"), [], object])
async def test_what_a_handler_returns_is_ignored(bus, hear, value):
    """What a handler returns plays no part."""

    async def handle(event):
        return value

    hear(handle)
    hear(lambda _: value)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["ok", "ok"]


async def test_errors_holds_exceptions_as_they_are(bus, hear):
    """`errors` has the failed handlers' exceptions, in their order."""
    errors = [ValueError("a"), KeyError("b")]
    for error in errors:

        def fails(event, error=error):
            raise error

        hear(fails)
        hear(lambda _: None)
    assert (await bus.publish(Event("user.login"))).errors == tuple(errors)


async def test_cancelled_handler_is_wrapped(bus, hear):
    """A handler's CancelledError appears as HandlerCancelledError, the original its cause."""
    cancelled = asyncio.CancelledError()

    async def cancels(event):
        raise cancelled

    hear(cancels, name="the one")
    (error,) = (await bus.publish(Event("user.login"))).errors
    assert type(error) is HandlerCancelledError
    assert error.__cause__ is cancelled
    assert "the one" in str(error)


@pytest.mark.parametrize(
    "raised", [GeneratorExit(), BaseExceptionGroup("g", [GeneratorExit()]), BaseException("b")]
)
async def test_what_is_no_exception_is_wrapped(bus, hear, raised):
    """What is no Exception appears as HandlerError, the original its cause."""

    async def raises(event):
        raise raised

    hear(raises, name="the one")
    result = await bus.publish(Event("user.login"))
    (error,) = result.errors
    assert type(error) is HandlerError
    assert error.__cause__ is raised
    assert "the one" in str(error)
    assert result.outcomes[0].exception is raised


@pytest.mark.parametrize(
    ("raised", "ok"),
    [(None, True), (ValueError(), False), (asyncio.CancelledError(), False)],
    ids=["returned", "failed", "cancelled"],
)
async def test_ok(bus, hear, raised, ok):
    """`ok` is whether no handler failed or was cancelled."""

    def handle(event):
        if raised is not None:
            raise raised

    hear(handle)
    hear(lambda _: None)
    assert (await bus.publish(Event("user.login"))).ok is ok


async def test_one_that_cancels_its_task_and_returns_is_ok(bus, hear):
    """A handler that returns is ok whatever it did to its task, and harms no later one."""

    async def cancels(event):
        asyncio.current_task().cancel()

    async def waits(event):
        await asyncio.sleep(0)

    hear(cancels)
    hear(waits)
    hear(lambda _: None)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["ok", "ok", "ok"]


async def test_raise_for_errors(bus, hear):
    """`raise_for_errors` raises an ExceptionGroup of `errors`, wrapped ones among them."""
    error = ValueError("a")

    def fails(event):
        raise error

    async def cancels(event):
        raise asyncio.CancelledError

    hear(fails)
    hear(cancels)
    hear(lambda _: None)
    result = await bus.publish(Event("user.login"))
    with pytest.raises(ExceptionGroup) as caught:
        result.raise_for_errors()
    assert caught.value.exceptions[0] is error
    assert [type(one) for one in caught.value.exceptions] == [ValueError, HandlerCancelledError]


async def test_raise_for_errors_when_all_is_well(bus, hear):
    """`raise_for_errors` on a result that is ok raises nothing."""
    handled = []
    hear(handled.append)
    (await bus.publish(Event("user.login"))).raise_for_errors()
    assert len(handled) == 1


async def test_start_in_subscription_order(bus, hear):
    """Handlers start in subscription order, those of ANY among the rest, waiting or not."""
    order = []
    for number in range(12):

        async def handle(event, number=number):
            order.append(number)
            for _ in range(number % 3):
                await asyncio.sleep(0)

        hear(handle, ANY if number % 2 else EventType.USER_LOGIN)
    await bus.publish(Event("user.login"))
    assert order == list(range(12))


async def test_nested_publish_runs_depth_first(bus, hear):
    """What a handler publishes and awaits is handled before the next handler starts."""
    order = []

    async def first(event):
        order.append("first begins")
        await bus.publish(Event("user.logout"))
        order.append("first ends")

    hear(first, EventType.USER_LOGIN)
    hear(lambda _: order.append("inner"), EventType.USER_LOGOUT)
    hear(lambda _: order.append("second"), EventType.USER_LOGIN)
    await bus.publish(Event("user.login"))
    assert order == ["first begins", "inner", "first ends", "second"]


async def test_subscribed_during_a_publish_hears_the_next(bus, hear):
    """A handler subscribed during a publish is not part of it."""
    seen = []

    def subscribes(event):
        if len(bus.handlers) == 1:
            hear(seen.append)

    hear(subscribes)
    result = await bus.publish(Event("user.login"))
    assert (seen, len(result.outcomes)) == ([], 1)
    await bus.publish(Event("user.login"))
    assert len(seen) == 1


async def test_unsubscribed_during_a_publish_still_hears_it(bus, hear):
    """A handler unsubscribed during a publish is still given the event, for the last time."""
    seen = []
    hear(lambda _: bus.unsubscribe(last))
    last = hear(seen.append)
    await bus.publish(Event("user.login"))
    await bus.publish(Event("user.login"))
    assert len(seen) == 1


async def test_snapshot_is_of_the_moment_it_dispatches(bus, hear):
    """A publish that was called but not awaited sees handlers subscribed in between."""
    seen = []
    publishing = bus.publish(Event("user.login"))
    hear(seen.append)
    await publishing
    assert len(seen) == 1


async def test_handler_that_unsubscribes_itself(bus, hear):
    """A handler may unsubscribe itself while it handles, and has an outcome."""
    handler = hear(lambda _: bus.unsubscribe(handler))
    result = await bus.publish(Event("user.login"))
    assert ([one.handler for one in result.outcomes], bus.handlers) == ([handler], ())


async def test_does_not_yield_by_itself(bus, hear):
    """`publish` yields to the loop only if a handler does."""
    turned = []

    async def nested(event):
        await bus.publish(Event("user.logout"))

    hear(nested, EventType.USER_LOGIN)
    hear(lambda _: None, EventType.USER_LOGOUT)
    hear(lambda _: 1 / 0)
    asyncio.get_running_loop().call_soon(turned.append, "the loop turned")
    for _ in range(10):
        await bus.publish(Event("user.login"))
        await bus.publish_many([Event("user.logout"), Event("user.logout")])
    assert turned == []


async def test_yields_if_a_handler_does(bus, hear):
    """A handler that suspends lets the loop turn."""
    turned = []

    async def waits(event):
        await asyncio.sleep(0)

    hear(waits)
    asyncio.get_running_loop().call_soon(turned.append, "the loop turned")
    await bus.publish(Event("user.login"))
    assert turned == ["the loop turned"]


async def test_two_publishes_at_once(bus, hear):
    """Two publishes at once do not disturb each other: each has its own outcomes."""
    gates = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def waits(event):
        await gates[event.source].wait()
        if event.source == "a":
            raise ValueError

    hear(waits)
    first = asyncio.create_task(bus.publish(Event("user.login", source="a")))
    second = asyncio.create_task(bus.publish(Event("user.login", source="b")))
    await asyncio.sleep(0)
    gates["b"].set()
    assert ((await second).ok, first.done()) == (True, False)
    gates["a"].set()
    assert (await first).ok is False


async def test_same_event_twice(bus, hear):
    """The same event may be published again: handlers get it each time."""
    seen = []
    hear(seen.append)
    event = Event("user.login")
    await bus.publish(event)
    await bus.publish(event)
    assert seen == [event, event]


async def test_same_handler_may_handle_two_events_at_once(bus, hear, soon):
    """A handler that waits for one event is given the next meanwhile."""
    barrier = asyncio.Barrier(2)

    async def meet(event):
        await barrier.wait()

    hear(meet)
    results = await soon(
        asyncio.gather(bus.publish(Event("user.login")), bus.publish(Event("user.login")))
    )
    assert [one.ok for one in results] == [True, True]


async def test_handlers_work_on_a_bus_that_was_not_started(bus):
    """A bus that was not started publishes, and calls neither `start` nor `stop`."""
    calls = []

    class Handler(EventHandler):
        event_types = (ANY,)

        async def start(self, bus):
            calls.append("start")

        async def handle(self, event):
            calls.append("handle")

        async def stop(self):
            calls.append("stop")

    bus.subscribe(Handler())
    await bus.publish(Event("user.login"))
    assert calls == ["handle"]


async def test_result_repr_tells_the_counts(bus, hear):
    """The result's repr names the type and how handlers ended, and shows no payload."""
    hear(lambda _: None)
    hear(lambda _: 1 / 0)
    result = await bus.publish(Event("user.login", {"password": "secret"}))
    assert "ok=1 failed=1" in repr(result)
    assert "secret" not in repr(result)
