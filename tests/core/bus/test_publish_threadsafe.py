"""publish_threadsafe: from any thread, on the loop that entered the bus."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading

import pytest

from busway import (
    BusClosedError,
    BusOverloadedError,
    BuswayError,
    Event,
    EventBus,
    MiddlewareError,
)


@pytest.fixture
def in_thread():
    """`await in_thread(function, *arguments)`: in a thread, with nothing of this context."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:

        def run(function, *arguments):
            return asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

        yield run


async def test_future_of_the_result(bus, hear, soon, in_thread):
    """It returns a `concurrent.futures.Future` of the result."""
    hear(lambda _: None)
    event = Event("user.login")
    async with bus:
        future = await in_thread(bus.publish_threadsafe, event)
        result = await soon(asyncio.wrap_future(future))
    assert isinstance(future, concurrent.futures.Future)
    assert (result.event, result.ok) == (event, True)


async def test_runs_on_the_loop_that_entered(bus, hear, soon, in_thread):
    """Handlers run on the loop that entered the bus, in its thread."""
    seen = []
    hear(lambda _: seen.append((asyncio.get_running_loop(), threading.current_thread())))
    async with bus:
        future = await in_thread(bus.publish_threadsafe, Event("user.login"))
        await soon(asyncio.wrap_future(future))
    assert seen == [(asyncio.get_running_loop(), threading.current_thread())]


async def test_from_the_loops_own_thread(bus, hear, soon):
    """It may be called on the loop itself: it does not block."""
    seen = []
    hear(seen.append)
    async with bus:
        future = bus.publish_threadsafe(Event("user.login"))
        assert seen == []
        await soon(asyncio.wrap_future(future))
    assert len(seen) == 1


async def test_from_many_threads(bus, hear, soon, in_thread):
    """Events sent by many threads at once are all handled, each once."""
    seen = []
    hear(lambda event: seen.append(event.id))
    barrier, sent = threading.Barrier(8), []

    def send():
        barrier.wait(10)
        for _ in range(50):
            event = Event("user.login")
            sent.append(event.id)
            bus.publish_threadsafe(event)

    async with bus:
        await soon(asyncio.gather(*[in_thread(send) for _ in range(8)]))
        assert await soon(bus.drain()) == []
    assert (len(seen), sorted(seen)) == (400, sorted(sent))


def test_without_a_loop(bus):
    """Without a loop that entered the bus it raises BuswayError that says so."""
    with pytest.raises(BuswayError, match=r"loop.*async with") as caught:
        bus.publish_threadsafe(Event("user.login"))
    assert not isinstance(caught.value, BusClosedError)


async def test_on_a_bus_that_nobody_entered(bus):
    """A running loop is not enough: it must have entered the bus."""
    with pytest.raises(BuswayError, match="loop"):
        bus.publish_threadsafe(Event("user.login"))
    assert await bus.drain(0) == []


def test_loop_that_is_closed(bus):
    """If the loop that entered was closed, and the bus not, it raises BuswayError."""

    async def enter():
        await bus.start()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(enter())
    loop.close()
    with pytest.raises(BuswayError, match="loop"):
        bus.publish_threadsafe(Event("user.login"))


async def test_closed_bus(bus):
    """On a closed bus it raises BusClosedError."""
    async with bus:
        pass
    with pytest.raises(BusClosedError):
        bus.publish_threadsafe(Event("user.login"))


async def test_bus_closed_without_having_been_entered(bus):
    """On a bus that was closed and never entered it raises BusClosedError, too."""
    bus.close()
    with pytest.raises(BusClosedError):
        bus.publish_threadsafe(Event("user.login"))


async def test_what_is_no_event(bus):
    """Anything but an event raises TypeError at the call, and counts nothing."""
    async with bus:
        with pytest.raises(TypeError):
            bus.publish_threadsafe("user.login")
        assert await bus.drain(0) == []


async def test_handler_failure_is_in_the_result(bus, hear, logged, soon):
    """A handler's failure is told in the result, and logged once."""
    hear(lambda _: 1 / 0)
    async with bus:
        result = await soon(asyncio.wrap_future(bus.publish_threadsafe(Event("user.login"))))
    assert ([type(one) for one in result.errors], len(logged())) == ([ZeroDivisionError], 1)


async def test_middleware_failure_is_in_the_future(bus, soon):
    """What `publish` would raise, the future has."""
    bus.add_middleware(lambda _: 1 / 0)
    async with bus:
        future = bus.publish_threadsafe(Event("user.login"))
        with pytest.raises(MiddlewareError):
            await soon(asyncio.wrap_future(future))


async def test_cancelling_the_future(bus, hear, soon):
    """Cancelling the future cancels the publish and its handlers."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def waits(event):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    hear(waits)
    async with bus:
        future = bus.publish_threadsafe(Event("user.login"))
        await soon(started.wait())
        future.cancel()
        await soon(ended.wait())
        assert await soon(bus.drain(5)) == []


async def test_cancelling_the_future_before_it_begins(bus, hear, soon):
    """A future cancelled before the loop has come round to it is not waited for."""
    hear(lambda _: asyncio.Event().wait())
    async with bus:
        future = bus.publish_threadsafe(Event("user.login"))
        assert future.cancel() is True
        assert await soon(bus.drain(5)) == []


async def test_drain_waits_for_it(bus, hear, soon):
    """`drain` waits for an event from the moment of the call."""
    seen = []
    hear(seen.append)
    async with bus:
        bus.publish_threadsafe(Event("user.login"))
        assert await soon(bus.drain()) == []
        assert len(seen) == 1


async def test_exit_waits_for_it(bus, hear):
    """Leaving the bus delivers what was sent before."""
    seen = []
    hear(seen.append)
    async with bus:
        for _ in range(10):
            bus.publish_threadsafe(Event("user.login"))
    assert len(seen) == 10


async def test_overload(hear, soon):
    """Beyond `max_pending` it raises BusOverloadedError."""
    bus, gate = EventBus(max_pending=2), asyncio.Event()
    hear(lambda _: gate.wait(), on=bus)
    async with bus:
        futures = [bus.publish_threadsafe(Event("user.login")) for _ in range(2)]
        with pytest.raises(BusOverloadedError):
            bus.publish_threadsafe(Event("user.login"))
        gate.set()
        results = await soon(asyncio.gather(*map(asyncio.wrap_future, futures)))
    assert [one.ok for one in results] == [True, True]


async def test_overload_from_threads_is_exact(hear, soon, in_thread):
    """However many threads send at once, no more than `max_pending` are taken."""
    bus, gate = EventBus(max_pending=10), asyncio.Event()
    hear(lambda _: gate.wait(), on=bus)
    barrier, taken, refused = threading.Barrier(8), [], []

    def send():
        barrier.wait(10)
        for _ in range(10):
            try:
                taken.append(bus.publish_threadsafe(Event("user.login")))
            except BusOverloadedError as error:
                refused.append(error)

    async with bus:
        await soon(asyncio.gather(*[in_thread(send) for _ in range(8)]))
        gate.set()
        await soon(bus.drain())
    assert (len(taken), len(refused)) == (10, 70)


def test_start_on_another_loop_does_not_move_the_bus(bus):
    """`start` called on another loop leaves the bus on the loop that entered it."""
    seen = []

    class Loops:
        event_types = ("user.login",)

        def handle(self, event):
            seen.append(asyncio.get_running_loop())

    bus.subscribe(Loops())
    with bus.running():
        bus.publish_threadsafe(Event("user.login")).result(10)
        asyncio.run(bus.start())
        bus.publish_threadsafe(Event("user.login")).result(10)
    assert (len(seen), seen[0] is seen[1]) == (2, True)
