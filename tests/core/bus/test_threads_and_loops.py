"""One bus, several loops in several threads, registrations changing all the while."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from busway import Event, EventBus, EventType


class Counting:
    """Counts what it is given, by thread; some of its kind wait."""

    event_types = (EventType.USER_LOGIN,)

    def __init__(self, waits=0):
        self.waits = waits
        self.seen = []

    async def handle(self, event):
        loop = asyncio.get_running_loop()
        for _ in range(self.waits):
            await asyncio.sleep(0)
        assert asyncio.get_running_loop() is loop
        self.seen.append((event.id, loop))


async def test_handlers_run_on_the_publishers_loop(bus):
    """A handler runs on the loop of whoever publishes."""
    handler = Counting(waits=1)
    bus.subscribe(handler)

    async def publish():
        await bus.publish(Event("user.login"))
        return asyncio.get_running_loop()

    other = await asyncio.to_thread(asyncio.run, publish())
    mine = await publish()
    assert [loop for _, loop in handler.seen] == [other, mine]


def pass_on(handler, call_next):
    """An interceptor that only passes on."""

    async def call(event):
        await call_next(event)

    return call


def let_pass(event):
    """A middleware that lets everything pass."""
    return event


def change(bus, turns):
    """Let handlers, interceptors and middleware come and go."""
    for turn in range(turns):
        with bus.subscribed(Counting(waits=turn % 2)):
            bus.add_interceptor(pass_on)
            bus.add_middleware(let_pass)
        bus.remove_interceptor(pass_on)
        bus.remove_middleware(let_pass)


async def publish_rounds(bus, stays, rounds):
    """Publish, and check that those who stay are there in every result, in their order."""
    sent = []
    for _ in range(rounds):
        event, *others = [Event("user.login") for _ in range(3)]
        results = [await bus.publish(event), *await bus.publish_many(others)]
        sent.extend((one.id, asyncio.get_running_loop()) for one in (event, *others))
        for result in results:
            assert [one.handler for one in result.outcomes if one.handler in stays] == stays
            assert result.ok
    return sent


def test_publishing_on_several_loops_while_registrations_change(bus):
    """Handlers that stay get every event once, on its own loop, whatever comes and goes."""
    threads, rounds = 6, 50
    barrier = threading.Barrier(threads + 2)
    stays = [Counting(), Counting(waits=1), Counting(waits=2)]
    for handler in stays:
        bus.subscribe(handler)

    def publishes():
        barrier.wait(10)
        return asyncio.run(publish_rounds(bus, stays, rounds))

    def changes():
        barrier.wait(10)
        change(bus, 200)

    with ThreadPoolExecutor(threads + 2) as pool:
        changing = [pool.submit(changes) for _ in range(2)]
        running = [pool.submit(publishes) for _ in range(threads)]
        sent = [one for future in running for one in future.result(60)]
        for future in changing:
            future.result(60)
    assert len(sent) == threads * rounds * 3
    for handler in stays:
        assert sorted(handler.seen, key=str) == sorted(sent, key=str)
    assert bus.handlers == tuple(stays)
    assert (bus.interceptors, bus.middleware) == ((), ())


def test_subscribing_in_many_threads(bus):
    """Handlers subscribed by many threads at once are all there, each once."""
    handlers = [[Counting() for _ in range(100)] for _ in range(8)]
    barrier = threading.Barrier(8)

    def subscribe(mine):
        barrier.wait(10)
        for handler in mine:
            bus.subscribe(handler)
            bus.subscribe(handler)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(subscribe, handlers))
    assert len(bus.handlers) == 800
    for mine in handlers:
        order = [one for one in bus.handlers if one in mine]
        assert order == mine


def test_same_handler_subscribed_by_many_threads(bus):
    """One handler subscribed by many threads at once counts once."""
    handler, barrier = Counting(), threading.Barrier(8)

    def subscribe(_):
        barrier.wait(10)
        bus.subscribe(handler)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(subscribe, range(8)))
    asyncio.run(bus.publish(Event("user.login")))
    assert (bus.handlers, len(handler.seen)) == ((handler,), 1)


def test_middleware_added_in_many_threads(bus):
    """No middleware and no interceptor added by several threads at once is lost."""
    barrier = threading.Barrier(8)

    def add(_):
        barrier.wait(10)
        for _ in range(50):
            bus.add_middleware(lambda event: event)
            bus.add_interceptor(lambda handler, call: call)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert (len(bus.middleware), len(bus.interceptors)) == (400, 400)


def test_one_private_bus_on_loops_one_after_another():
    """A bus outlives its loops: it publishes on the next as on the first."""
    bus, handler = EventBus(), Counting(waits=1)
    bus.subscribe(handler)
    for _ in range(5):
        result = asyncio.run(bus.publish(Event("user.login")))
        assert result.ok
    assert len(handler.seen) == 5


def test_nested_publish_from_a_thread_of_a_handler(bus):
    """A handler's thread may publish on a loop of its own, on the same bus."""
    inner = []

    class Threads:
        event_types = (EventType.USER_CREATED,)

        async def handle(self, event):
            result = await asyncio.to_thread(
                lambda: asyncio.run(bus.publish(Event(EventType.USER_LOGIN)))
            )
            inner.append(result.ok)

    handler = Counting(waits=1)
    bus.subscribe(handler)
    bus.subscribe(Threads())
    result = asyncio.run(bus.publish(Event(EventType.USER_CREATED)))
    assert (result.errors, inner, len(handler.seen)) == ((), [True], 1)
