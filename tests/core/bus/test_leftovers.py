"""What publishes leave behind when they are over: nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Hear = Callable[..., Any]
    Way = Callable[[EventBus, Event, Any], Awaitable[object]]

LOGIN, LOGOUT = EventType.USER_LOGIN, EventType.USER_LOGOUT
VARIABLE: ContextVar[object] = ContextVar("test_leftovers", default=None)


class Watched(dict[str, Any]):
    """A payload, or anything else, that can be watched."""


async def publish(bus: EventBus, event: Event, handler: Any) -> object:
    return await bus.publish(event)


async def publish_many(bus: EventBus, event: Event, handler: Any) -> object:
    return await bus.publish_many([event])


async def publish_soon(bus: EventBus, event: Event, handler: Any) -> object:
    return await bus.publish_soon(event)


async def deliver(bus: EventBus, event: Event, handler: Any) -> object:
    return await bus.deliver(event, handler)


async def cancelled(bus: EventBus, event: Event, handler: Any) -> object:
    task = asyncio.create_task(bus.publish(event))
    await asyncio.sleep(0)
    task.cancel()
    return await asyncio.wait({task})


async def never_begun(bus: EventBus, event: Event, handler: Any) -> object:
    task = asyncio.create_task(bus.publish(event))
    task.cancel()
    return await asyncio.wait({task})


async def closed(bus: EventBus, event: Event, handler: Any) -> object:
    return bus.publish(event).close()


WAYS: list[Way] = [publish, publish_many, publish_soon, deliver, cancelled, never_begun, closed]


async def sync(event: Event) -> None:
    pass


async def waits(event: Event) -> None:
    await asyncio.sleep(0)


async def sets(event: Event) -> None:
    VARIABLE.set(event)


async def waits_and_sets(event: Event) -> None:
    VARIABLE.set(event)
    await asyncio.sleep(0)


async def spawns(event: Event) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))


HANDLERS = [sync, waits, sets, waits_and_sets, spawns]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest keeps the records of failures, and in them what they hold."""
    monkeypatch.setattr(logging.getLogger("busway.delivery"), "disabled", True)


@pytest.fixture
def by_counting() -> Iterator[None]:
    """What is freed is freed by counting references alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def turn(way: Way | None = None) -> None:
    """Let the loop forget what it has run; and Python the frames of a traceback."""
    for _ in range(3):
        await asyncio.sleep(0)
    if way is cancelled:
        gc.collect()


@pytest.mark.usefixtures("by_counting", "plain")
@pytest.mark.parametrize("function", HANDLERS)
@pytest.mark.parametrize("way", WAYS)
async def test_event_is_freed(bus: EventBus, hear: Hear, way: Way, function: Any) -> None:
    """An event that nobody holds is freed, by counting alone if it was not cancelled."""
    handler, payload = hear(function), Watched()
    hear(waits)
    watched = weakref.ref(payload)
    await way(bus, Event(LOGIN, payload), handler)
    del payload
    await turn(way)
    assert watched() is None


@pytest.mark.usefixtures("by_counting", "plain")
@pytest.mark.parametrize("many", [1, 2])
async def test_event_is_freed_before_the_loop_turns(bus: EventBus, hear: Hear, many: int) -> None:
    """If nobody waited, it is freed when `publish` returns: no idle task holds it."""
    for _ in range(many):
        hear(sync)
    payload = Watched()
    watched = weakref.ref(payload)
    await bus.publish(Event(LOGIN, payload))
    del payload
    assert watched() is None


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("way", WAYS)
async def test_failed_event_is_freed(bus: EventBus, hear: Hear, way: Way) -> None:
    """So is one whose handlers failed, when tracebacks and their frames are collected."""

    async def raises(event: Event) -> None:
        await asyncio.sleep(0)
        raise ValueError(event)

    async def cancels_itself(event: Event) -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    handler, payload = hear(raises), Watched()
    hear(cancels_itself)
    watched = weakref.ref(payload)
    await way(bus, Event(LOGIN, payload), handler)
    del payload
    await turn()
    gc.collect()
    assert watched() is None


@pytest.mark.usefixtures("by_counting")
@pytest.mark.parametrize("way", WAYS)
async def test_handler_is_freed(bus: EventBus, way: Way) -> None:
    """A handler that was unsubscribed is freed, whatever was published to it."""

    class Handler:
        event_types = (LOGIN,)

        async def handle(self, event: Event) -> None:
            await asyncio.sleep(0)

    handler = Handler()
    bus.subscribe(handler)
    watched = weakref.ref(handler)
    await way(bus, Event(LOGIN), handler)
    bus.unsubscribe(handler)
    del handler
    await turn(way)
    assert watched() is None


@pytest.mark.usefixtures("by_counting", "plain")
async def test_what_a_handler_held_is_freed_when_it_has_ended(bus: EventBus, hear: Hear) -> None:
    """The locals of a handler do not outlive it, though others of its publish still wait."""
    gate, watched = asyncio.Event(), []

    async def holds(event: Event) -> None:
        held = Watched()
        watched.append(weakref.ref(held))
        if event.source:
            await asyncio.sleep(0)

    hear(holds)
    hear(lambda _: gate.wait())
    tasks = [asyncio.create_task(bus.publish(Event(LOGIN, source=one))) for one in ("", "waits")]
    await turn()
    assert [one() for one in watched] == [None, None]
    gate.set()
    await asyncio.wait(tasks)


async def publish_all(bus: EventBus, handler: Any) -> None:
    """A little of everything."""
    for way in WAYS:
        await way(bus, Event(LOGIN), handler)
    await turn()


def census() -> Counter[str]:
    """How many objects of each type the garbage collector knows of."""
    gc.collect()
    return Counter(type(one).__qualname__ for one in gc.get_objects())


async def test_nothing_piles_up(bus: EventBus, hear: Hear) -> None:
    """A hundred rounds of publishes of all kinds leave as many objects as one."""

    async def raises(event: Event) -> None:
        raise ValueError

    async def nests(event: Event) -> None:
        await bus.publish(Event(LOGOUT))
        bus.publish_soon(Event(LOGOUT))

    handlers = [hear(one, LOGIN) for one in (*HANDLERS, raises, nests)]
    hear(waits, LOGOUT)
    for _ in range(3):
        await publish_all(bus, handlers[0])
    before = census()
    for _ in range(100):
        await publish_all(bus, handlers[0])
    await bus.drain()
    await turn()
    more = census() - before
    assert {name: count for name, count in more.items() if count >= 50} == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.usefixtures("by_counting", "plain")
@pytest.mark.parametrize("function", [sync, waits, sets, waits_and_sets])
async def test_publishes_that_are_well_make_no_garbage(
    bus: EventBus, hear: Hear, function: Any
) -> None:
    """Nothing is left to the garbage collector when no handler failed."""
    hear(function)
    hear(waits)
    await bus.publish(Event(LOGIN))
    await turn()
    gc.collect()
    for _ in range(50):
        await bus.publish(Event(LOGIN))
        await bus.publish_many([Event(LOGIN), Event(LOGIN)])
    await turn()
    assert gc.collect() < 50


async def test_no_task_is_left_in_any_way(bus: EventBus, hear: Hear) -> None:
    """After each way to publish, and a few turns of the loop, all tasks are as before."""
    handlers = [hear(one) for one in HANDLERS]
    for way in WAYS:
        await way(bus, Event(LOGIN), handlers[1])
        await turn()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await bus.drain(0) == []
