"""Cancelling the publisher: the handlers still running are cancelled and awaited."""

from __future__ import annotations

import asyncio

import pytest

from busway import BusOverloadedError, Event, EventBus, EventType


class Waiting:
    """A function for a handler that waits for ever, and notes how it ends."""

    def __init__(self, cleanup=0, stubborn=0):
        self.started = 0
        self.cancelled = 0
        self.ended = 0
        self.cleanup = cleanup
        self.stubborn = stubborn

    async def __call__(self, event):
        self.started += 1
        try:
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled += 1
                    if self.cancelled > self.stubborn:
                        raise
        finally:
            for _ in range(self.cleanup):
                await asyncio.sleep(0)
            self.ended += 1


async def test_cancels_awaits_and_propagates(bus, hear, soon):
    """The handlers still running are cancelled and have ended when it propagates."""
    slow, other = Waiting(cleanup=3), Waiting()
    hear(slow)
    hear(other)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(task)
    assert [(one.cancelled, one.ended) for one in (slow, other)] == [(1, 1), (1, 1)]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_every_handler_had_been_started(bus, hear, soon):
    """A publisher that is cancelled has started every handler."""
    waiting, handled = Waiting(), []
    hear(waiting)
    hear(handled.append)
    hear(waiting)
    hear(handled.append)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert (waiting.started, len(handled)) == (2, 2)


async def test_cancelled_before_it_waits(bus, hear, soon):
    """A publisher that has been cancelled already starts every handler, then propagates."""
    waiting, handled = Waiting(), []
    hear(waiting)
    hear(handled.append)

    async def publisher():
        asyncio.current_task().cancel()
        await bus.publish(Event("user.login"))

    task = asyncio.create_task(publisher())
    await soon(asyncio.wait([task]))
    assert task.cancelled()
    assert (waiting.started, waiting.ended, len(handled)) == (1, 1, 1)


async def test_cancelled_before_a_publish_that_does_not_wait(bus, hear):
    """`publish` is no checkpoint: without a waiting handler it returns its result."""
    results = []
    hear(lambda _: None)

    async def publisher():
        asyncio.current_task().cancel()
        results.append(await bus.publish(Event("user.login")))

    task = asyncio.create_task(publisher())
    await asyncio.wait([task])
    assert [one.ok for one in results] == [True]


async def test_cancelled_twice(bus, hear, soon):
    """A second cancellation is passed on to handlers that are not done, which are awaited."""
    stubborn = Waiting(cleanup=2, stubborn=1)
    hear(stubborn)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert (task.done(), stubborn.cancelled) == (False, 1)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert (task.cancelled(), stubborn.cancelled, stubborn.ended) == (True, 2, 1)


async def test_handler_that_suppresses_cancellation_is_awaited(bus, hear, soon):
    """The publisher waits for a handler that goes on in spite of it, and propagates then."""
    gate, ended = asyncio.Event(), []

    async def stubborn(event):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await gate.wait()
            ended.append("stubborn")

    hear(stubborn)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert (task.done(), ended) == (False, [])
    gate.set()
    await soon(asyncio.wait([task]))
    assert (task.cancelled(), ended) == (True, ["stubborn"])


async def test_cancelled_as_the_last_handler_ends(bus, hear, soon):
    """Cancelled when the handlers have ended and the publisher has not woken: it propagates."""
    task = None

    async def ends(event):
        await asyncio.sleep(0)
        task.cancel()

    hear(ends)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await soon(asyncio.wait([task]))
    assert task.cancelled()


async def test_message_is_passed_on(bus, hear, soon):
    """The CancelledError that propagates is the one that was thrown in, message and all."""
    hear(Waiting())
    caught = []

    async def publisher():
        try:
            await bus.publish(Event("user.login"))
        except asyncio.CancelledError as error:
            caught.append(error.args)
            raise

    task = asyncio.create_task(publisher())
    await asyncio.sleep(0)
    task.cancel("the reason")
    await soon(asyncio.wait([task]))
    assert caught == [("the reason",)]


async def test_timeout_around_publish(bus, hear, soon):
    """A timeout around `publish` cancels the handlers and becomes TimeoutError."""
    waiting = Waiting(cleanup=1)
    hear(waiting)

    async def publisher():
        async with asyncio.timeout(0.001):
            await bus.publish(Event("user.login"))

    with pytest.raises(TimeoutError):
        await soon(publisher())
    assert waiting.ended == 1


async def test_timeout_around_publish_leaves_the_publisher_uncancelled(bus, hear):
    """After such a timeout the publisher can go on."""
    hear(Waiting())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await bus.publish(Event("user.login"))
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(0)


async def test_cancels_nested_publishes(bus, hear, soon):
    """Cancellation goes down through nested publishes, and back up when all have ended."""
    ended = []
    inner = Waiting(cleanup=2)

    async def outer(event):
        try:
            await bus.publish(Event("user.logout"))
        finally:
            ended.append(("outer", inner.ended))

    hear(outer, EventType.USER_LOGIN)
    hear(inner, EventType.USER_LOGOUT)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert (task.cancelled(), ended) == (True, [("outer", 1)])


async def test_cancels_publish_many(bus, hear, soon):
    """Cancelling `publish_many` cancels the handlers of all its events."""
    waiting = Waiting(cleanup=1)
    hear(waiting)
    task = asyncio.create_task(bus.publish_many([Event("user.login"), Event("user.login")]))
    await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert (task.cancelled(), waiting.cancelled, waiting.ended) == (True, 2, 2)
    assert await bus.drain(0) == []


async def test_cancels_deliver(bus, hear, soon):
    """Cancelling `deliver` cancels its handler, and awaits it."""
    waiting = Waiting(cleanup=1)
    task = asyncio.create_task(bus.deliver(Event("user.login"), hear(waiting)))
    await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert (task.cancelled(), waiting.ended) == (True, 1)


async def test_nothing_is_left_counted(bus, hear, soon):
    """A publish that was cancelled is not waited for by `drain`."""
    hear(Waiting())
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert await bus.drain(0) == []


@pytest.mark.parametrize("way", ["publish", "publish_many", "deliver", "publish_soon"])
async def test_cancelled_before_it_began(bus, hear, soon, way):
    """Cancelling a task of a publish before it begins runs no handler, and leaves it uncounted."""
    handled = []
    handler = hear(handled.append)
    event = Event("user.login")
    if way == "publish_soon":
        task = bus.publish_soon(event)
    else:
        arguments = {"publish": [event], "publish_many": [[event]], "deliver": [event, handler]}
        task = asyncio.create_task(getattr(bus, way)(*arguments[way]))
    task.cancel()
    assert await soon(bus.drain(5)) == []
    assert (task.cancelled(), handled) == (True, [])


async def test_cancelled_before_it_began_is_not_waited_for(bus, soon):
    """`drain` with no time at all sees that a cancelled task will never begin."""
    task = asyncio.create_task(bus.publish(Event("user.login")))
    task.cancel()
    await asyncio.wait([task])
    assert await bus.drain(0) == []


async def test_publish_soon_cancelled_before_it_began_is_no_longer_pending():
    """A task of `publish_soon` that was cancelled makes room for the next, held on to or not."""
    bus = EventBus(max_pending=1)
    task = bus.publish_soon(Event("user.login"))
    with pytest.raises(BusOverloadedError):
        bus.publish_soon(Event("user.login"))
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    result = await bus.publish_soon(Event("user.login"))
    assert (result.ok, task.cancelled()) == (True, True)


@pytest.mark.parametrize("way", ["publish", "publish_many", "deliver"])
async def test_coroutine_that_is_dropped(bus, hear, way):
    """A publish that was called and never awaited is not counted once it is gone."""
    handled = []
    handler = hear(handled.append)
    event = Event("user.login")
    arguments = {"publish": [event], "publish_many": [[event]], "deliver": [event, handler]}
    publishing = getattr(bus, way)(*arguments[way])
    assert await bus.drain(0) == [event]
    held = [publishing]
    del publishing
    with pytest.warns(RuntimeWarning, match="never awaited"):
        held.clear()
    assert await bus.drain(0) == []
    assert handled == []


async def test_coroutine_that_is_closed(bus):
    """A publish whose coroutine was closed before it began is not counted, though it is held."""
    publishing = bus.publish(Event("user.login"))
    publishing.close()
    assert await bus.drain(0) == []


async def test_siblings_of_a_cancelled_publish_go_on(bus, hear, soon):
    """Cancelling one publisher disturbs no other."""
    gate = asyncio.Event()

    async def waits(event):
        await gate.wait()

    hear(waits)
    cancelled = asyncio.create_task(bus.publish(Event("user.login")))
    other = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    cancelled.cancel()
    await soon(asyncio.wait([cancelled]))
    gate.set()
    assert (await soon(other)).ok
