"""settle: waits for an event and all its descendants, and for nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial

import pytest

from busway import BuswayError, Event, EventBus, EventType


class Gate:
    """Work that waits until the test lets it go on; `done` has what has ended."""

    def __init__(self):
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.done = Counter()

    async def pass_through(self, event=None):
        self.entered.set()
        await self.opened.wait()
        self.done[event.type.value if event else "work"] += 1

    async def not_before(self, awaitable):
        """See that it waits for the gate, then open it and await the rest."""
        task = asyncio.create_task(awaitable)
        await self.entered.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        self.opened.set()
        async with asyncio.timeout(10):
            await task


@pytest.fixture
async def gate():
    return Gate()


async def test_its_handlers(bus, hear, settle, gate):
    """Those of an event that was published without waiting."""
    hear(gate.pass_through)
    event = Event("user.login")
    bus.publish_soon(event)
    await gate.not_before(settle(event))
    assert gate.done == {"user.login": 1}


async def test_an_event_that_somebody_else_awaits(bus, hear, settle, gate):
    """Whose handlers are running already."""
    hear(gate.pass_through)
    event = Event("user.login")
    task = asyncio.create_task(bus.publish(event))
    await gate.entered.wait()
    await gate.not_before(settle(event))
    await task


async def test_an_event_that_has_ended(bus, hear, settle):
    """It returns at once, as often as it is asked."""
    hear(lambda event: None)
    event = Event("user.login")
    await bus.publish(event)
    task = asyncio.create_task(settle(event))
    await asyncio.sleep(0)
    assert task.done()
    await settle(event)


async def test_an_event_that_nobody_wants(bus, settle):
    """There is nothing to wait for."""
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)


async def test_an_event_that_a_middleware_stopped(bus, settle):
    """It was published."""
    bus.add_middleware(lambda event: None)
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "deliver"])
async def test_what_a_handler_publishes(bus, hear, settle, gate, way):
    """In whatever way, and whether it awaits it or not."""
    inner = hear(gate.pass_through, "user.logout")
    kept = []

    async def outer(event):
        child = Event("user.logout")
        made = {
            "publish": lambda: asyncio.ensure_future(bus.publish(child)),
            "publish_many": lambda: asyncio.ensure_future(bus.publish_many([child])),
            "publish_soon": lambda: bus.publish_soon(child),
            "deliver": lambda: asyncio.ensure_future(bus.deliver(child, inner)),
        }[way]()
        kept.append(made)

    hear(outer, "user.login")
    event = Event("user.login")
    await bus.publish(event)
    await gate.not_before(settle(event))
    assert gate.done == {"user.logout": 1}
    await asyncio.gather(*kept)


async def test_many_generations(bus, hear, settle):
    """Each published by a handler of the one before, without waiting."""
    types = [EventType.USER_LOGIN, EventType.USER_LOGOUT]
    handled = []

    async def again(event):
        await asyncio.sleep(0)
        handled.append(event)
        if len(handled) < 300:
            bus.publish_soon(Event(types[len(handled) % 2]))

    hear(again)
    event = Event("user.login")
    bus.publish_soon(event)
    await settle(event)
    assert len(handled) == 300


async def test_many_at_once(bus, hear, settle):
    """A tree: each handler publishes several."""
    handled = []

    async def branch(event):
        handled.append(event)
        depth = event.payload["depth"]
        if depth:
            for _ in range(4):
                bus.publish_soon(Event("user.login", {"depth": depth - 1}))

    hear(branch)
    event = Event("user.login", {"depth": 4})
    bus.publish_soon(event)
    await settle(event)
    assert len(handled) == 1 + 4 + 16 + 64 + 256


async def test_tasks_that_handlers_start(bus, hear, settle, gate):
    """A task may still publish, long after its handler has ended; so may a task of that task."""

    async def inner():
        await gate.pass_through()
        bus.publish_soon(Event("user.logout"))

    async def outer():
        gate.inner = asyncio.create_task(inner())

    async def handle(event):
        gate.outer = asyncio.create_task(outer())

    hear(handle, "user.login")
    hear(gate.pass_through, "user.logout")
    event = Event("user.login")
    await bus.publish(event)
    await gate.not_before(settle(event))
    assert gate.done == {"work": 1, "user.logout": 1}


async def test_a_task_group(bus, hear, settle, gate):
    """Its tasks are tasks like any other."""

    async def handle(event):
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(gate.pass_through())

    hear(handle)
    event = Event("user.login")
    bus.publish_soon(event)
    await gate.not_before(settle(event))
    assert gate.done == {"work": 3}


async def test_what_the_callback_of_a_task_publishes(bus, hear, settle):
    """It runs when the task has ended, in the handler's context."""
    handled = []

    async def handle(event):
        task = asyncio.create_task(asyncio.sleep(0))
        task.add_done_callback(lambda _: bus.publish_soon(Event("user.logout")))

    hear(handle, "user.login")
    hear(handled.append, "user.logout")
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)
    assert len(handled) == 1


async def test_a_thread_that_publishes(bus, hear, settle, gate):
    """`to_thread` and `publish_threadsafe` pass the cause on."""

    def work():
        bus.publish_threadsafe(Event("user.logout"))

    async def handle(event):
        gate.task = asyncio.create_task(asyncio.to_thread(work))

    hear(handle, "user.login")
    hear(gate.pass_through, "user.logout")
    async with bus:
        event = Event("user.login")
        await bus.publish(event)
        await gate.not_before(settle(event))
    assert gate.done == {"user.logout": 1}


def test_a_bus_on_another_loop(bus, hear, settle):
    """The one of `running()`: settle waits on a loop of its own."""
    handled = []

    async def handle(event):
        await asyncio.sleep(0)
        handled.append(event.type.value)
        if event.type == EventType.USER_LOGIN:
            handle.task = asyncio.create_task(later())

    async def later():
        await asyncio.sleep(0)
        await bus.publish(Event("user.logout"))

    hear(handle)
    for _ in range(20):
        with bus.running():
            event = Event("user.login")
            bus.publish_threadsafe(event)
            asyncio.run(settle(event))
            assert handled == ["user.login", "user.logout"]
        handled.clear()


def test_many_threads(bus, hear, settle):
    """Each publishes to the same bus, and settles its own events, and none too early."""
    ended = Counter()

    async def handle(event):
        await asyncio.sleep(0)
        if event.type == EventType.USER_LOGIN:
            bus.publish_soon(Event("user.logout", {"of": event.id}))
        else:
            ended[event.payload["of"]] += 1

    def work(_):
        event = Event("user.login")
        bus.publish_threadsafe(event)
        asyncio.run(settle(event))
        return ended[event.id]

    hear(handle)
    with bus.running(), ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(200))) == {1}


async def test_an_event_with_its_cause_given_by_hand(bus, hear, settle, gate):
    """As an outbox publishes it, later and outside any handler."""
    hear(gate.pass_through, "user.logout")
    event = Event("user.login")
    await bus.publish(event)
    bus.publish_soon(Event("user.logout", causation_id=event.id))
    await gate.not_before(settle(event))
    assert gate.done == {"user.logout": 1}


async def test_an_event_that_is_forwarded(bus, hear, settle, gate):
    """It is the same event: to settle is to settle both."""
    forwarded = []

    async def forward(event):
        if not forwarded:
            forwarded.append(bus.publish_soon(event))

    hear(forward)
    hear(gate.pass_through)
    event = Event("user.login")
    bus.publish_soon(event)
    await gate.not_before(settle(event))
    assert gate.done == {"user.login": 2}


async def test_by_way_of_a_bus_that_is_not_watched(bus, hear, settle, gate):
    """A handler on another bus that publishes on ours goes on with the same story."""
    other = EventBus()

    async def bridge(event):
        bus.publish_soon(Event("user.logout"))

    async def handle(event):
        await other.publish(Event("item.created"))

    hear(handle, "user.login")
    hear(bridge, on=other)
    hear(gate.pass_through, "user.logout")
    event = Event("user.login")
    await bus.publish(event)
    await gate.not_before(settle(event))
    assert gate.done == {"user.logout": 1}


async def test_of_both_buses(bus, shared_bus, hear, settle, gate):
    """What is published on one may lead to events on the other."""

    async def handle(event):
        shared_bus.publish_soon(Event("user.logout"))

    hear(handle, "user.login")
    hear(gate.pass_through, "user.logout", on=shared_bus)
    event = Event("user.login")
    await bus.publish(event)
    await gate.not_before(settle(event))
    assert gate.done == {"user.logout": 1}


async def test_an_event_that_a_middleware_gives_another_id(bus, hear, settle, gate):
    """It is waited for by the id that it was published with, and by its new one."""
    bus.add_middleware(lambda event: event.replace(id=None))

    async def handle(event):
        if event.type == EventType.USER_LOGIN:
            bus.publish_soon(Event("user.logout"))

    hear(handle)
    hear(gate.pass_through, "user.logout")
    event = Event("user.login")
    published = bus.publish(event)
    waiting = asyncio.create_task(gate.not_before(settle(event)))
    for _ in range(5):
        await asyncio.sleep(0)
    renewed = (await published).event  # it got its new id when settle was waiting already
    await waiting
    await settle(renewed)
    assert gate.done == {"user.logout": 1}


async def test_others_are_not_waited_for(bus, hear, settle, gate):
    """Events that it did not lead to, their tasks, and tasks of the test, may go on."""

    async def stuck(event):
        gate.task = asyncio.create_task(gate.pass_through())
        await gate.opened.wait()

    hear(stuck, "user.logout")
    unrelated = [bus.publish_soon(Event("user.logout")), asyncio.create_task(gate.pass_through())]
    await gate.entered.wait()
    event = Event("user.login")
    await bus.publish(event)
    task = asyncio.create_task(settle(event))
    await asyncio.sleep(0)
    assert task.done()
    gate.opened.set()
    await asyncio.gather(*unrelated)


async def test_its_cause_is_not_waited_for(bus, hear, settle, gate):
    """Nor its siblings: only what comes after it."""
    child = Event("user.logout")

    async def handle(event):
        await bus.publish(child)
        await gate.pass_through()

    hear(handle, "user.login")
    task = bus.publish_soon(Event("user.login"))
    await gate.entered.wait()
    await settle(child)
    assert not task.done()
    gate.opened.set()
    await task


async def test_a_task_with_a_context_of_its_own(bus, hear, settle, gate):
    """It has no cause, so it is not waited for: the way for a worker that outlives its event."""

    async def handle(event):
        gate.task = asyncio.get_running_loop().create_task(gate.pass_through(), context=Context())

    hear(handle)
    event = Event("user.login")
    await bus.publish(event)
    await settle(event)
    assert not gate.task.done()
    gate.opened.set()
    await gate.task


async def test_no_clock_is_needed(bus, hear, settle, gate, monkeypatch):
    """It returns though time stands still, so that no timer runs out."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    hear(gate.pass_through)
    event = Event("user.login")
    bus.publish_soon(event)
    task = asyncio.create_task(settle(event))
    await gate.entered.wait()
    gate.opened.set()
    await task
    assert gate.done == {"user.login": 1}


async def test_several_wait_at_once(bus, hear, settle, gate):
    """Each for its own event; one that is cancelled disturbs no other."""
    hear(gate.pass_through, "user.login")
    events = [Event("user.login") for _ in range(3)]
    for event in events:
        bus.publish_soon(event)
    tasks = [asyncio.create_task(settle(event)) for event in events]
    await gate.entered.wait()
    tasks[0].cancel()
    gate.opened.set()
    await asyncio.gather(*tasks[1:])
    assert tasks[0].cancelled()


async def test_a_coroutine_that_is_thrown_away(bus, hear, settle):
    """What was never awaited, and is gone, will not be published: there is nothing to wait for."""
    hear(lambda event: None)
    event = Event("user.login")
    bus.publish(event).close()
    await settle(event)


@pytest.mark.parametrize("make", [asyncio.create_task, partial(asyncio.ensure_future)])
async def test_a_task_that_is_cancelled_before_its_first_step(bus, hear, settle, make, soon):
    """It tells nobody, and is found out all the same."""
    hear(lambda event: None)
    event = Event("user.login")
    task = make(bus.publish(event))
    task.cancel()
    await soon(settle(event))
    assert task.cancelled()


async def test_never_published(bus, settle):
    """It says so at once, and what was."""
    await bus.publish(Event("user.logout"))
    event = Event("user.login")
    task = asyncio.create_task(settle(event))
    await asyncio.sleep(0)
    with pytest.raises(BuswayError) as raised:
        task.result()
    assert str(raised.value) == (
        f"user.login {event.id} was never published on a bus of this test's fixtures: publish it "
        "first, on `bus` or `shared_bus`; the last that were: user.logout"
    )


async def test_published_on_another_bus(bus, settle):
    """That is not watched."""
    event = Event("user.login")
    await EventBus().publish(event)
    with pytest.raises(BuswayError, match=r"never published .* that were: nothing"):
        await settle(event)


async def test_inside_a_handler_of_it(bus, hear, settle):
    """It would wait for itself."""
    raised = []

    async def handle(event):
        with pytest.raises(BuswayError) as error:
            await settle(event)
        raised.append(str(error.value))

    hear(handle)
    event = Event("user.login")
    (await bus.publish(event)).raise_for_errors()
    (told,) = raised
    assert told.startswith(f"settle() inside a handler of user.login {event.id}, or of an event")
    assert told.endswith("would wait for that handler itself")


async def test_inside_a_task_that_a_handler_started(bus, hear, settle):
    """It would wait for itself, too."""

    async def handle(event):
        task = asyncio.create_task(settle(event))
        with pytest.raises(BuswayError, match="would wait for that handler"):
            await task

    hear(handle)
    (await bus.publish(Event("user.login"))).raise_for_errors()


async def test_inside_a_handler_of_another(bus, hear, settle):
    """There it may be used."""
    settled = Event("user.login")
    await bus.publish(settled)

    async def handle(event):
        await settle(settled)

    hear(handle, "user.logout")
    (await bus.publish(Event("user.logout"))).raise_for_errors()


async def test_the_brake(bus, hear, settle, gate):
    """After `timeout` seconds it says what is still running: events, and tasks by name."""

    async def work():
        await gate.pass_through()

    async def handle(event):
        bus.publish_soon(child)
        gate.task = asyncio.create_task(work(), name="mailer")

    child = Event("user.logout")
    hear(handle, "user.login")
    hear(gate.pass_through, "user.logout")
    event = Event("user.login")
    await bus.publish(event)
    with pytest.raises(TimeoutError) as raised:
        await settle(event, timeout=0.01)
    told = str(raised.value)
    assert told.startswith(f"what user.login {event.id} led to is still running: ")
    assert f"user.logout {child.id}" in told
    assert "the task mailer (test_the_brake.<locals>.work)" in told
    assert told.endswith(" after 0.01 s")
    gate.opened.set()
    await settle(event)


async def test_the_brake_of_what_nobody_awaits(bus, hear, settle):
    """It says so."""
    hear(lambda event: None)
    event = Event("user.login")
    coroutine = bus.publish(event)
    with pytest.raises(TimeoutError, match=rf"{event.id} \(not awaited\) after"):
        await settle(event, timeout=0.01)
    await coroutine
