"""Memory: the bus keeps nothing of what is over."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest

from busway import Event, EventBus, EventType


class Kept(dict):
    """A payload that can be watched."""


async def test_publish_soon_chain_keeps_no_ancestors(bus, hear, soon):
    """An endless chain of `publish_soon` keeps at most its last links alive."""
    payloads, alive = [], []

    async def again(event):
        number = event.payload["number"]
        if number % 2:
            await asyncio.sleep(0)
        if number == 300:
            gc.collect()
            alive.extend(one for one in payloads if one() is not None)
            return
        payload = Kept(number=number + 1)
        payloads.append(weakref.ref(payload))
        bus.publish_soon(Event("user.login", payload))

    hear(again)
    await bus.publish(Event("user.login", Kept(number=0)))
    await soon(bus.drain())
    assert len(payloads) == 300
    assert len(alive) <= 20


async def test_create_task_chain_keeps_no_ancestors(bus, hear, soon):
    """A chain of tasks, each begun when the last publish has ended, keeps no ancestors."""
    payloads, alive, tasks, done = [], [], set(), asyncio.Event()

    async def later(number):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        payload = Kept(number=number)
        payloads.append(weakref.ref(payload))
        await bus.publish(Event("user.login", payload))

    def again(event):
        number = event.payload["number"]
        if number == 300:
            gc.collect()
            alive.extend(one for one in payloads if one() is not None)
            done.set()
            return
        task = asyncio.create_task(later(number + 1))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    hear(again)
    await bus.publish(Event("user.login", Kept(number=0)))
    await soon(done.wait())
    assert len(payloads) == 300
    assert len(alive) <= 20


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "deliver"])
@pytest.mark.parametrize("fails", [False, True], ids=["ok", "failed"])
async def test_event_is_freed_when_all_is_over(bus, hear, monkeypatch, way, fails):
    """An event nobody holds is freed after its publish; by counting alone if all was ok."""
    monkeypatch.setattr(logging.getLogger("busway"), "propagate", False)  # pytest keeps records

    async def handle(event):
        await asyncio.sleep(0)
        if fails:
            raise ValueError

    handler = hear(handle)
    payload = Kept()
    watched = weakref.ref(payload)
    event = Event("user.login", payload)
    arguments = {"publish_many": [[event]], "deliver": [event, handler]}.get(way, [event])
    await getattr(bus, way)(*arguments)
    del payload, event, arguments
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if fails:
        gc.collect()  # a traceback and its frames
    assert watched() is None


@pytest.mark.parametrize("way", ["publish", "publish_many", "deliver"])
async def test_event_is_freed_when_its_publish_is_dropped(bus, hear, way):
    """An event whose publish was called and never awaited is not kept by the bus."""
    handler = hear(lambda _: None)
    payload = Kept()
    watched = weakref.ref(payload)
    event = Event("user.login", payload)
    arguments = {"publish_many": [[event]], "deliver": [event, handler]}.get(way, [event])
    held = [getattr(bus, way)(*arguments)]
    del payload, event, arguments
    with pytest.warns(RuntimeWarning, match="never awaited"):
        held.clear()
    gc.collect()
    assert watched() is None


async def test_event_is_freed_when_its_task_is_cancelled_before_it_begins(bus, hear):
    """An event of `publish_soon` is not kept when nothing of it will ever run."""
    hear(lambda _: None)
    payload = Kept()
    watched = weakref.ref(payload)
    task = bus.publish_soon(Event("user.login", payload))
    del payload
    task.cancel()
    await asyncio.wait([task])
    del task
    await asyncio.sleep(0)
    gc.collect()
    assert watched() is None


async def test_handler_is_freed_when_unsubscribed(bus):
    """The bus forgets a handler that was unsubscribed."""

    class Handler:
        event_types = (EventType.USER_LOGIN,)

        async def handle(self, event):
            pass

    handler = Handler()
    watched = weakref.ref(handler)
    bus.subscribe(handler)
    await bus.publish(Event("user.login"))
    bus.unsubscribe(handler)
    await bus.publish(Event("user.login"))
    del handler
    await asyncio.sleep(0)
    gc.collect()
    assert watched() is None


async def test_bus_is_freed():
    """A private bus that nobody holds is freed, its handlers with it."""

    class Handler:
        event_types = (EventType.USER_LOGIN,)

        async def handle(self, event):
            await asyncio.sleep(0)

    bus, handler = EventBus(), Handler()
    bus.subscribe(handler)
    watched = weakref.ref(bus), weakref.ref(handler)
    async with bus:
        await bus.publish(Event("user.login"))
        bus.publish_soon(Event("user.login"))
    del bus, handler
    await asyncio.sleep(0)
    gc.collect()
    assert [one() for one in watched] == [None, None]


async def test_result_keeps_only_what_it_tells(bus, hear):
    """A result that is kept holds neither the publisher's frames nor its task."""

    async def handle(event):
        await asyncio.sleep(0)

    hear(handle)
    payload = Kept()

    async def publisher(local):
        return await bus.publish(Event("user.login"))

    watched = weakref.ref(payload)
    result = await asyncio.create_task(publisher(payload))
    del payload
    await asyncio.sleep(0)
    gc.collect()
    assert (result.ok, watched()) == (True, None)


async def test_nothing_piles_up_without_a_turn_of_the_loop(bus, hear):
    """Publishes that never suspend leave no tasks behind for the loop, however many."""
    hear(lambda _: None)
    await bus.publish(Event("user.login"))
    await asyncio.sleep(0)
    gc.collect()
    before = sum(isinstance(one, asyncio.Task) for one in gc.get_objects())
    for _ in range(1_000):
        await bus.publish(Event("user.login"))
    after = sum(isinstance(one, asyncio.Task) for one in gc.get_objects())
    assert after - before < 100
