"""publish_soon: fire and forget; kept alive, counted by drain, its failure logged once."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref

import pytest

from busway import BusClosedError, BusOverloadedError, BuswayError, Event, EventBus, MiddlewareError


async def test_returns_a_task_of_the_result(bus, hear):
    """It returns at once a task whose result is that of the publish."""
    seen = []
    hear(seen.append)
    event = Event("user.login")
    task = bus.publish_soon(event)
    assert (isinstance(task, asyncio.Task), seen) == (True, [])
    result = await task
    assert (result.event, result.ok, seen) == (event, True, [event])


async def test_is_kept_alive(bus, hear, soon):
    """A task that nobody holds is not lost to the garbage collector."""
    held = []

    async def waits(event):
        future = asyncio.get_running_loop().create_future()
        held.append(weakref.ref(future))  # nothing but the handler itself refers to it
        await future

    hear(waits)
    bus.publish_soon(Event("user.login"))
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert [one() is not None for one in held] == [True]
    held[0]().set_result(None)
    assert await soon(bus.drain()) == []


async def test_drain_waits_for_it(bus, hear, soon):
    """`drain` waits for events of `publish_soon`."""
    handled = []

    async def waits(event):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        handled.append(event)

    hear(waits)
    for _ in range(3):
        bus.publish_soon(Event("user.login"))
    assert await soon(bus.drain()) == []
    assert len(handled) == 3


async def test_starts_in_order(bus, hear, soon):
    """Events are handled in the order in which they were sent."""
    seen = []
    hear(seen.append)
    events = [Event("user.login") for _ in range(20)]
    for event in events:
        bus.publish_soon(event)
    await soon(bus.drain())
    assert seen == events


async def test_handler_failure_is_logged_once(bus, hear, logged, soon):
    """A handler's failure is logged once, by the publish; the task itself does not fail."""
    hear(lambda _: 1 / 0)
    task = bus.publish_soon(Event("user.login"))
    await soon(bus.drain())
    await asyncio.sleep(0)
    assert (len(logged()), (await task).ok) == (1, False)


async def test_its_own_failure_is_logged_once(bus, logged, caplog, soon):
    """What fails before the handlers is logged once, and not by asyncio again."""

    def guard(event):
        raise ValueError("no access")

    bus.add_middleware(guard)
    bus.publish_soon(Event("user.login"))
    await soon(bus.drain())
    await asyncio.sleep(0)
    gc.collect()
    (record,) = logged()
    assert re.match(r"publish_soon\(\) failed: .*no access", record.getMessage())
    assert [record.name for record in caplog.records if record.name == "asyncio"] == []


async def test_its_own_failure_can_be_awaited_too(bus, logged):
    """Who awaits the task gets the failure; it is logged once all the same."""
    bus.add_middleware(lambda _: "no event")
    with pytest.raises(MiddlewareError):
        await bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    assert [record.exc_info[0] for record in logged()] == [MiddlewareError]


async def test_cancelled_task_is_not_logged(bus, hear, logged, soon):
    """Cancelling the task cancels the publish, and is no failure; the loop hears of none either."""
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def waits(event):
        await asyncio.Event().wait()

    hear(waits)
    task = bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    task.cancel()
    await soon(asyncio.wait([task]))
    assert (task.cancelled(), logged(), told, await bus.drain(0)) == (True, [], [], [])


def test_without_a_loop(bus):
    """Without a running loop it raises BuswayError, which names the remedy."""
    with pytest.raises(BuswayError, match="publish_threadsafe"):
        bus.publish_soon(Event("user.login"))


async def test_in_another_thread(bus):
    """In a thread without a loop it raises BuswayError, and counts nothing."""
    with pytest.raises(BuswayError):
        await asyncio.to_thread(bus.publish_soon, Event("user.login"))
    assert await bus.drain(0) == []


async def test_what_is_no_event(bus):
    """Anything but an event raises TypeError at the call."""
    with pytest.raises(TypeError):
        bus.publish_soon("user.login")
    assert await bus.drain(0) == []


async def test_overload():
    """Beyond `max_pending` it raises BusOverloadedError, and loses none that it took."""
    bus = EventBus(max_pending=3)
    tasks = [bus.publish_soon(Event("user.login")) for _ in range(3)]
    with pytest.raises(BusOverloadedError, match="3") as caught:
        bus.publish_soon(Event("user.login"))
    assert caught.value.max_pending == 3
    assert [one.ok for one in await asyncio.gather(*tasks)] == [True, True, True]


async def test_overload_passes(soon):
    """When those pending are done, there is room again."""
    bus = EventBus(max_pending=1)
    for _ in range(3):
        bus.publish_soon(Event("user.login"))
        with pytest.raises(BusOverloadedError):
            bus.publish_soon(Event("user.login"))
        await soon(bus.drain())
    assert (await bus.publish_soon(Event("user.login"))).ok


async def test_overload_counts_those_being_handled(hear, soon):
    """An event is pending until its handlers have ended."""
    bus, gate = EventBus(max_pending=1), asyncio.Event()
    hear(lambda _: gate.wait(), on=bus)
    bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    with pytest.raises(BusOverloadedError):
        bus.publish_soon(Event("user.login"))
    gate.set()
    assert await soon(bus.drain()) == []


async def test_awaited_publishes_are_not_pending(hear, soon):
    """`publish` and `publish_many` are not limited, and do not count."""
    bus, gate = EventBus(max_pending=1), asyncio.Event()
    hear(lambda _: gate.wait(), on=bus)
    tasks = [asyncio.create_task(bus.publish(Event("user.login"))) for _ in range(5)]
    tasks.append(asyncio.create_task(bus.publish_many([Event("user.login")] * 5)))
    await asyncio.sleep(0)
    task = bus.publish_soon(Event("user.login"))
    gate.set()
    await soon(asyncio.gather(task, *tasks))
    assert (await task).ok


async def test_default_limit_is_ten_thousand(bus, soon):
    """By default 10,000 events may be pending."""
    for _ in range(10_000):
        bus.publish_soon(Event("user.login"))
    with pytest.raises(BusOverloadedError):
        bus.publish_soon(Event("user.login"))
    assert await soon(bus.drain()) == []


async def test_closed_and_overloaded(hear, soon):
    """On a closed bus it raises BusClosedError, also when there would be no room."""
    bus, gate = EventBus(max_pending=1), asyncio.Event()
    hear(lambda _: gate.wait(), on=bus)
    task = bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    bus.close()
    with pytest.raises(BusClosedError):
        bus.publish_soon(Event("user.login"))
    gate.set()
    assert (await soon(task)).ok
