"""drain: waits until nothing is on its way, and returns what was not delivered."""

from __future__ import annotations

import asyncio
import threading

import pytest

from busway import BuswayError, Event, EventBus, EventType


async def test_nothing_on_its_way(bus):
    """With nothing on its way it returns an empty list at once."""
    assert await bus.drain(0) == []


async def test_returns_the_events_not_delivered(bus, hear, soon):
    """When its time is up it returns the events still on their way, in order; none is cancelled."""
    gate = asyncio.Event()
    hear(lambda _: gate.wait(), EventType.USER_LOGIN)
    events = [Event("user.login"), Event("user.login")]
    tasks = [bus.publish_soon(event) for event in events]
    bus.publish_soon(Event("user.logout"))
    await asyncio.sleep(0)
    assert await soon(bus.drain(0.01)) == events
    gate.set()
    assert await soon(bus.drain()) == []
    assert [(await task).ok for task in tasks] == [True, True]


async def test_default_timeout_is_the_buss(hear, soon):
    """Without a timeout it waits for the bus's `drain_timeout`."""
    bus, gate = EventBus(drain_timeout=0.01), asyncio.Event()
    hear(lambda _: gate.wait(), on=bus)
    event = Event("user.login")
    task = bus.publish_soon(event)
    assert await soon(bus.drain()) == [event]
    gate.set()
    await task


async def test_waits_for_what_is_published_meanwhile(bus, hear, soon):
    """Events that handlers publish while it waits are waited for, too."""
    handled = []

    async def again(event):
        await asyncio.sleep(0)
        handled.append(event)
        if len(handled) < 10:
            bus.publish_soon(Event("user.login"))

    hear(again)
    bus.publish_soon(Event("user.login"))
    assert await soon(bus.drain()) == []
    assert len(handled) == 10


async def test_waits_for_a_task_that_has_not_begun(bus, hear, soon):
    """`create_task(bus.publish(e))` is counted from the call."""
    handled = []
    hear(handled.append)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    assert await soon(bus.drain()) == []
    assert (len(handled), (await task).ok) == (1, True)


async def test_the_bus_goes_on_afterwards(bus, hear):
    """Draining closes nothing: the bus takes events afterwards, and meanwhile."""
    handled = []
    hear(handled.append)
    await bus.drain()
    await bus.publish(Event("user.login"))
    assert len(handled) == 1


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "deliver"])
async def test_inside_a_handler(bus, hear, soon, way):
    """Inside a handler it raises BuswayError: it would wait for itself."""
    raised = []

    async def drains(event):
        try:
            await bus.drain()
        except BuswayError as error:
            raised.append(error)

    handler = hear(drains)
    event = Event("user.login")
    arguments = {"publish_many": [[event]], "deliver": [event, handler]}.get(way, [event])
    await soon(getattr(bus, way)(*arguments))
    assert [str(error).partition(" inside a handler ")[0] for error in raised] == ["drain()"]


async def test_inside_a_task_of_a_handler(bus, hear, soon):
    """It raises in a task that a running handler waits for, too."""

    async def drains(event):
        await asyncio.create_task(bus.drain())

    hear(drains)
    result = await soon(bus.publish(Event("user.login")))
    assert [type(one) for one in result.errors] == [BuswayError]


async def test_inside_a_handler_of_another_bus(bus, hear, soon):
    """A handler may drain another bus, which does not wait for it."""
    other, left = EventBus(), []

    async def drains(event):
        left.append(await other.drain())

    hear(drains)
    result = await soon(bus.publish(Event("user.login")))
    assert (result.errors, left) == ((), [[]])


async def test_inside_a_handler_called_through_another_bus(bus, hear, soon):
    """A handler of another bus raises too, if a handler of this one waits for it."""
    other = EventBus()

    async def forward(event):
        (await other.publish(event)).raise_for_errors()

    hear(forward)
    hear(lambda _: bus.drain(), on=other)
    result = await soon(bus.publish(Event("user.login")))
    assert [type(one) for one in result.errors[0].exceptions] == [BuswayError]


async def test_in_a_task_whose_handler_has_ended(bus, hear, soon):
    """A task that has outlived its handler may drain."""
    gate, tasks = asyncio.Event(), []

    async def later():
        await gate.wait()
        return await bus.drain()

    hear(lambda _: tasks.append(asyncio.create_task(later())))
    await bus.publish(Event("user.login"))
    gate.set()
    assert await soon(tasks[0]) == []


async def test_two_at_once(bus, hear, soon):
    """Several may drain at once."""
    gate = asyncio.Event()
    hear(lambda _: gate.wait())
    bus.publish_soon(Event("user.login"))
    drains = asyncio.gather(bus.drain(), bus.drain())
    await asyncio.sleep(0)
    gate.set()
    assert await soon(drains) == [[], []]


async def test_cancelling_it(bus, hear, soon):
    """Cancelling `drain` cancels nothing else, and leaves nothing behind."""
    gate = asyncio.Event()
    hear(lambda _: gate.wait())
    publishing = bus.publish_soon(Event("user.login"))
    draining = asyncio.create_task(bus.drain())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    draining.cancel()
    await soon(asyncio.wait([draining]))
    gate.set()
    assert (await soon(publishing)).ok
    assert draining.cancelled()


async def test_waits_for_a_publish_on_another_loop(bus, hear, soon):
    """It waits for what another thread publishes on a loop of its own, and wakes when that ends."""
    started, gate = threading.Event(), threading.Event()

    async def waits(event):
        started.set()
        await asyncio.to_thread(gate.wait, 10)

    hear(waits)
    event = Event("user.login")
    thread = threading.Thread(target=lambda: asyncio.run(bus.publish(event)))
    thread.start()
    await asyncio.to_thread(started.wait, 10)
    assert await bus.drain(0) == [event]
    draining = asyncio.create_task(bus.drain())
    await asyncio.sleep(0)
    gate.set()
    assert await soon(draining) == []
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
