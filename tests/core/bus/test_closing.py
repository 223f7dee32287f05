"""Leaving the bus: drain, cancel what is late, stop in reverse, close."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from enum import StrEnum

import pytest

from busway import (
    ANY,
    BusClosedError,
    Event,
    EventBus,
    EventHandler,
    EventType,
    register_event_types,
)


class Staged(EventHandler):
    """Notes its stop in a list it shares with others."""

    event_types = (ANY,)

    def __init__(self, notes, name):
        self.notes = notes
        self.name = name

    async def start(self, bus):
        pass

    async def handle(self, event):
        pass

    async def stop(self):
        self.notes.append(f"{self.name} stop")


class Raises(Staged):
    """Its stop raises."""

    error: BaseException = ValueError("no flush")

    async def stop(self):
        await super().stop()
        raise self.error


class Cancels(Raises):
    """Its stop raises CancelledError."""

    error = asyncio.CancelledError()


class Hangs(Staged):
    """Its stop never ends by itself."""

    async def stop(self):
        await super().stop()
        await asyncio.Event().wait()


class Suppresses(Staged):
    """Its stop never ends by itself, and ignores being cancelled, until it is released."""

    def __init__(self, notes, name):
        super().__init__(notes, name)
        self.release = asyncio.Event()
        self.ended = asyncio.Event()

    async def stop(self):
        await super().stop()
        while not self.release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.release.wait()
        self.ended.set()


class Unaskable(Staged):
    """Asking for its stop raises."""

    @property
    def stop(self):
        self.notes.append(f"{self.name} stop")
        raise RuntimeError("no stop")


@pytest.mark.parametrize("kind", [Raises, Cancels, Hangs, Unaskable])
async def test_stop_that_fails_keeps_no_other(logged, soon, kind):
    """A stop that raises, hangs or cannot be had is logged, and keeps no other from stopping."""
    bus, notes = EventBus(stop_timeout=0.01), []
    bus.subscribe(Staged(notes, "a"))
    bus.subscribe(kind(notes, "bad"))
    bus.subscribe(Staged(notes, "b"))
    await bus.start()
    await soon(bus.stop())
    assert notes == ["b stop", "bad stop", "a stop"]
    assert ["bad" in record.getMessage() for record in logged()] == [True]


async def test_stop_that_suppresses_its_cancellation(logged, soon):
    """A stop that cannot be cancelled is given up; the others are stopped."""
    bus, notes = EventBus(stop_timeout=0.01), []
    bus.subscribe(Staged(notes, "a"))
    bad = Suppresses(notes, "bad")
    bus.subscribe(bad)
    await bus.start()
    await soon(bus.stop())
    assert notes == ["bad stop", "a stop"]
    assert ["bad" in record.getMessage() for record in logged()] == [True]
    bad.release.set()
    await soon(bad.ended.wait())
    await asyncio.sleep(0)


async def test_stops_after_draining(bus, hear, soon):
    """Handlers are stopped when all events have been delivered, not before."""
    notes, gate = [], asyncio.Event()

    async def waits(event):
        await gate.wait()
        notes.append("handled")

    hear(waits)
    bus.subscribe(Staged(notes, "a"))
    await bus.start()
    bus.publish_soon(Event("user.login"))
    stopping = asyncio.create_task(bus.stop())
    for _ in range(5):
        await asyncio.sleep(0)
    assert notes == []
    gate.set()
    await soon(stopping)
    assert notes == ["handled", "a stop"]


async def test_task_that_has_not_begun_is_delivered(bus, hear):
    """`create_task(bus.publish(e))` that has not begun is delivered before exit."""
    handled = []
    hear(handled.append)
    async with bus:
        tasks = [asyncio.create_task(bus.publish(Event("user.login"))) for _ in range(3)]
    assert len(handled) == 3
    assert [(await task).ok for task in tasks] == [True, True, True]


async def test_publish_soon_is_delivered(bus, hear):
    """Events of `publish_soon` are delivered before exit."""
    handled = []
    hear(handled.append)
    async with bus:
        for _ in range(3):
            bus.publish_soon(Event("user.login"))
    assert len(handled) == 3


async def closing(bus):
    """Begin to stop the bus; returned when it is closing and drains."""
    task = asyncio.create_task(bus.stop())
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_strangers_are_refused_while_closing(bus, hear, soon):
    """While the bus drains, events that descend from no live publish are refused."""
    gate = asyncio.Event()
    handler = hear(lambda _: gate.wait())
    async with bus:
        bus.publish_soon(Event("user.login"))
        await asyncio.sleep(0)
        stopping = await closing(bus)
        event = Event("user.login")
        for refuses, arguments in (
            (bus.publish, [event]),
            (bus.publish_many, [[event]]),
            (bus.publish_soon, [event]),
            (bus.publish_threadsafe, [event]),
            (bus.deliver, [event, handler]),
        ):
            with pytest.raises(BusClosedError):
                refuses(*arguments)
        gate.set()
        await soon(stopping)


@pytest.mark.parametrize("way", ["publish", "publish_many", "publish_soon", "create_task"])
async def test_descendants_are_admitted_while_closing(bus, hear, soon, way):
    """While the bus drains, what live publishes publish is admitted and delivered."""
    gate, handled = asyncio.Event(), []

    async def forward(event):
        await gate.wait()
        inner = Event("user.logout")
        if way == "publish_soon":
            bus.publish_soon(inner)
        elif way == "create_task":
            await asyncio.create_task(bus.publish(inner))
        else:
            await getattr(bus, way)([inner] if way == "publish_many" else inner)

    hear(forward, EventType.USER_LOGIN)
    hear(handled.append, EventType.USER_LOGOUT)
    publishing = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    stopping = await closing(bus)
    gate.set()
    await soon(stopping)
    assert (len(handled), (await publishing).ok) == (1, True)


async def test_start_while_closing(bus, hear, soon):
    """A bus that is closing cannot be started before that has ended; it closes all the same."""
    gate = asyncio.Event()
    hear(lambda _: gate.wait())
    bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    stopping = await closing(bus)
    with pytest.raises(BusClosedError, match="closing"):
        await bus.start()
    gate.set()
    await soon(stopping)
    with pytest.raises(BusClosedError):
        await bus.publish(Event("user.login"))


async def test_grandchildren_are_admitted_while_closing(bus, hear, soon):
    """A child that lives on when its parent has ended may still publish while the bus drains."""
    gate, handled = asyncio.Event(), []

    async def child(event):
        await gate.wait()
        await bus.publish(Event("user.created"))

    hear(lambda _: bus.publish_soon(Event("user.logout")) and None, EventType.USER_LOGIN)
    hear(child, EventType.USER_LOGOUT)
    hear(handled.append, EventType.USER_CREATED)
    await bus.publish(Event("user.login"))
    await asyncio.sleep(0)
    stopping = await closing(bus)
    gate.set()
    await soon(stopping)
    assert len(handled) == 1


async def test_task_whose_publishes_have_ended_is_a_stranger(bus, hear, soon):
    """A task that a handler left behind descends from no live publish: it is refused."""
    task_gate, handler_gate, tasks = asyncio.Event(), asyncio.Event(), []

    async def later():
        await task_gate.wait()
        await bus.publish(Event("user.created"))

    hear(lambda _: tasks.append(asyncio.create_task(later())), EventType.USER_LOGIN)
    hear(lambda _: handler_gate.wait(), EventType.USER_LOGOUT)
    await bus.publish(Event("user.login"))
    bus.publish_soon(Event("user.logout"))
    await asyncio.sleep(0)
    stopping = await closing(bus)
    task_gate.set()
    with pytest.raises(BusClosedError):
        await soon(tasks[0])
    handler_gate.set()
    await soon(stopping)


async def test_drain_timeout_cancels(hear, soon, logged):
    """What is not delivered within `drain_timeout` is cancelled; its publisher is told."""
    bus, ended = EventBus(drain_timeout=0.01), []

    async def waits(event):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(event)

    hear(waits, on=bus)
    event = Event("user.login")
    task = asyncio.create_task(bus.publish(event))
    await asyncio.sleep(0)
    await soon(bus.stop())
    result = await soon(task)
    assert (ended, [one.status for one in result.outcomes]) == ([event], ["cancelled"])
    assert [event.id in record.getMessage() for record in logged()] == [True]


async def test_at_most_twenty_undelivered_events_are_named(hear, soon, logged):
    """The log tells how many there were, and which were the first twenty."""
    bus, events = EventBus(drain_timeout=0.01), [Event("user.login") for _ in range(25)]
    hear(lambda _: asyncio.Event().wait(), on=bus)
    for event in events:
        bus.publish_soon(event)
    await soon(bus.stop())
    assert [record.getMessage() for record in logged()] == [
        "25 events were not delivered when the bus stopped: "
        + ", ".join(f"user.login {event.id}" for event in events[:20])
    ]


async def test_drain_timeout_where_no_stop_is_waited_for(hear, soon):
    """Handlers that are cancelled are waited for, though `stop_timeout` is zero."""
    bus = EventBus(drain_timeout=0.01, stop_timeout=0)
    hear(lambda _: asyncio.Event().wait(), on=bus)
    task = bus.publish_soon(Event("user.login"))
    await soon(bus.stop())
    assert [one.status for one in (await task).outcomes] == ["cancelled"]


async def test_drain_timeout_of_nested_publishes(hear, soon):
    """When the time is up, nested publishes are cancelled too, to the last."""
    bus, ended = EventBus(drain_timeout=0.01), []

    async def waits(event):
        try:
            if event.type is EventType.USER_LOGIN:
                await bus.publish(Event("user.logout"))
            else:
                await asyncio.Event().wait()
        finally:
            ended.append(event.type.value)

    hear(waits, on=bus)
    task = bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    await soon(bus.stop())
    await soon(asyncio.wait([task]))
    assert ended == ["user.logout", "user.login"]


async def test_handlers_that_publish_while_being_cancelled(hear, soon):
    """What is published when the time is up is cancelled at once: closing comes to an end."""
    bus, rounds = EventBus(drain_timeout=0.01), []

    async def again(event):
        try:
            await asyncio.Event().wait()
        finally:
            rounds.append(event)
            if len(rounds) < 20:
                bus.publish_soon(Event("user.login"))

    hear(again, on=bus)
    bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    await soon(bus.stop())
    assert len(rounds) == 20


async def test_handler_that_suppresses_one_cancellation(hear, soon):
    """A handler that suppresses its cancellation is cancelled again, until none is left."""
    bus, cancelled = EventBus(drain_timeout=0.01, stop_timeout=0.01), []

    async def stubborn(event):
        while len(cancelled) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                cancelled.append(error)

    hear(stubborn, on=bus)
    bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    await soon(bus.stop())
    assert len(cancelled) == 3


async def test_not_begun_when_the_time_is_up(hear, soon):
    """A publish that has not begun when the bus closes raises BusClosedError when it does."""
    bus, handled = EventBus(drain_timeout=0.01), []
    hear(handled.append, on=bus)
    publishing = bus.publish(Event("user.login"))
    await soon(bus.stop())
    with pytest.raises(BusClosedError):
        await publishing
    assert handled == []


async def test_cancelling_the_exit_ends_the_draining(bus, hear, soon):
    """Cancelling `stop` ends the draining at once; the handlers are stopped all the same."""
    notes = []

    async def waits(event):
        try:
            await asyncio.Event().wait()
        finally:
            notes.append("handler ended")

    hear(waits)
    bus.subscribe(Staged(notes, "a"))
    await bus.start()
    bus.publish_soon(Event("user.login"))
    await asyncio.sleep(0)
    stopping = await closing(bus)
    stopping.cancel()
    await soon(asyncio.wait([stopping]))
    assert (stopping.cancelled(), notes) == (True, ["handler ended", "a stop"])
    with pytest.raises(BusClosedError):
        bus.publish_soon(Event("user.login"))


async def test_cancelling_the_exit_while_a_handler_stops(bus, soon):
    """Cancelling `stop` while a handler stops lets it end, stops the others, then propagates."""
    notes, gate = [], asyncio.Event()

    class Flushes(Staged):
        async def stop(self):
            await gate.wait()
            await super().stop()

    bus.subscribe(Staged(notes, "a"))
    bus.subscribe(Flushes(notes, "flushes"))
    await bus.start()
    stopping = await closing(bus)
    stopping.cancel()
    await asyncio.sleep(0)
    gate.set()
    await soon(asyncio.wait([stopping]))
    assert (stopping.cancelled(), notes) == (True, ["flushes stop", "a stop"])


@pytest.mark.parametrize(
    "way", ["publish", "publish_many", "publish_soon", "publish_threadsafe", "deliver"]
)
@pytest.mark.parametrize("how", ["left", "closed"])
async def test_closed_bus_refuses(bus, hear, way, how):
    """On a closed bus every method raises BusClosedError, at the call."""
    handler = hear(lambda _: None)
    if how == "left":
        async with bus:
            pass
    else:
        bus.close()
    event = Event("user.login")
    arguments = {"publish_many": [[event]], "deliver": [event, handler]}.get(way, [event])
    with pytest.raises(BusClosedError):
        getattr(bus, way)(*arguments)


async def test_closed_bus_can_be_changed(bus, hear):
    """Handlers can be subscribed to a closed bus, for when it is entered again."""
    handled = []
    bus.close()
    hear(handled.append)
    async with bus:
        await bus.publish(Event("user.login"))
    assert len(handled) == 1


async def test_nested_publish_on_a_bus_that_was_closed(bus, hear):
    """A handler whose bus was closed under it gets BusClosedError for what it publishes."""

    def closes(event):
        bus.close()
        return bus.publish(Event("user.logout"))

    hear(closes, EventType.USER_LOGIN)
    result = await bus.publish(Event("user.login"))
    assert [type(one) for one in result.errors] == [BusClosedError]


async def test_drain_and_exit_of_a_bus_never_started(bus, hear):
    """`stop` on a bus that was never started drains and closes it."""
    handled = []
    hear(handled.append)
    bus.publish_soon(Event("user.login"))
    await bus.stop()
    assert len(handled) == 1
    with pytest.raises(BusClosedError):
        await bus.publish(Event("user.login"))


async def test_waits_for_publishes_on_other_loops(bus, hear, soon):
    """Leaving waits for what another thread publishes on a loop of its own."""
    started, gate, handled = threading.Event(), threading.Event(), []

    async def waits(event):
        started.set()
        await asyncio.to_thread(gate.wait, 10)
        handled.append(event)

    hear(waits)
    thread = threading.Thread(target=lambda: asyncio.run(bus.publish(Event("user.login"))))
    async with bus:
        thread.start()
        await asyncio.to_thread(started.wait, 10)
        stopping = await closing(bus)
        assert handled == []
        gate.set()
        await soon(stopping)
        assert len(handled) == 1
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


async def test_drain_timeout_cancels_on_other_loops(hear, soon):
    """What runs on another loop is cancelled there when the time is up."""
    bus, started, ended = EventBus(drain_timeout=0.01), threading.Event(), []

    async def waits(event):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(threading.current_thread())

    hear(waits, on=bus)
    thread = threading.Thread(target=lambda: asyncio.run(bus.publish(Event("user.login"))))
    thread.start()
    await asyncio.to_thread(started.wait, 10)
    await soon(bus.stop())
    await asyncio.to_thread(thread.join, 10)
    assert ended == [thread]


async def test_publish_left_on_a_closed_loop(hear, soon):
    """A publish whose loop was closed in the midst of it does not keep the bus from closing."""
    bus, kept = EventBus(drain_timeout=0.01, stop_timeout=0.01), []

    async def waits(event):
        kept.append(asyncio.current_task())
        await asyncio.Event().wait()

    hear(waits, on=bus)

    def abandon():
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # it would tell of the tasks destroyed
        kept.append(loop.create_task(bus.publish(Event("user.login"))))
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    await asyncio.to_thread(abandon)
    stopping = asyncio.create_task(bus.stop())
    done, _ = await asyncio.wait([stopping], timeout=2)
    for task in reversed(kept):
        with contextlib.suppress(RuntimeError):  # its loop is closed
            task.get_coro().close()
    stopping.cancel()
    await asyncio.wait([stopping])
    assert done == {stopping}


class Meanwhile(Event):
    """Lets others do something while the bus looks at it for the first time."""

    meanwhile = None

    def __getattribute__(self, name):
        if name == "type" and (act := type(self).meanwhile) is not None:
            type(self).meanwhile = None
            act()
        return super().__getattribute__(name)


async def test_admitted_in_the_moment_of_closing(bus, hear, soon):
    """An event that is being admitted while the bus closes is refused, or delivered before."""
    handled = []
    hear(lambda event: handled.append("handled"))
    event = Meanwhile("user.login")
    looking, closed = threading.Event(), threading.Event()

    def act():
        looking.set()
        closed.wait(0.5)  # a bus that waits for it is right too

    def publish():
        try:
            asyncio.run(bus.publish(event))
        except BusClosedError:
            handled.append("refused")

    async with bus:
        Meanwhile.meanwhile = act
        thread = threading.Thread(target=publish)
        thread.start()
        await asyncio.to_thread(looking.wait, 10)
    if not handled:
        handled.append("closed")
    closed.set()
    await asyncio.to_thread(thread.join, 10)
    assert handled in (["handled"], ["refused", "closed"], ["closed", "refused"])


async def test_closed_in_the_moment_of_admission(bus, hear):
    """An event for which the doors were open is refused if they close before it is in."""
    handled, closing = [], []

    class Slow(StrEnum):
        HAPPENED = "slow.happened"

        def __hash__(self):
            while closing:
                closing.pop().close()
            return super().__hash__()

    register_event_types(Slow)
    hear(handled.append, Slow.HAPPENED)
    event = Event(Slow.HAPPENED)
    closing.append(bus)
    with pytest.raises(BusClosedError):
        await bus.publish(event)
    assert (handled, await bus.drain(0)) == ([], [])
