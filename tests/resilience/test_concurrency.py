"""Concurrency limits: so many at once, in turn, across loops and threads."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest

from busway import Event
from busway_resilience import ConcurrencyInterceptor
from busway_resilience._slots import Slots

EVENT = "user.login"


def publishing(bus, count):
    return [asyncio.create_task(bus.publish(Event(EVENT, {"n": n}))) for n in range(count)]


async def test_no_more_run_at_once(bus, hear, gate):
    """The others wait; all of them run in the end. Health tells of both."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=2))
    hear(gate)
    tasks = publishing(bus, 5)
    await gate.until(2)
    assert bus.health()["concurrency"] == {"running_worker": 2, "waiting_worker": 3}
    gate.open()
    assert all(result.ok for result in await asyncio.gather(*tasks))
    assert (gate.most, gate.entered) == (2, 5)
    assert bus.health()["concurrency"] == {"running_worker": 0, "waiting_worker": 0}


async def test_each_handler_has_its_own(bus, hear, gate):
    """One that is slow does not hold up another."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=1))
    hear(gate, name="slow")
    seen = []

    async def quick(event):
        seen.append(event.payload["n"])

    hear(quick, name="quick")
    tasks = publishing(bus, 3)
    await gate.until(1)
    assert seen == [0, 1, 2]
    gate.open()
    await asyncio.gather(*tasks)


async def test_events_are_handled_in_the_order_in_which_they_came(bus, hear):
    """One after another, whatever each of them waits for."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=1))
    seen = []

    async def work(event):
        for _ in range(random.Random(event.payload["n"]).randrange(5)):
            await asyncio.sleep(0)
        seen.append(event.payload["n"])

    hear(work)
    await asyncio.gather(*publishing(bus, 50))
    assert seen == list(range(50))


async def test_one_that_fails_gives_its_slot_back(bus, hear, fails):
    """Or is cancelled."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=1))
    hear(fails(ValueError(), asyncio.CancelledError()))
    results = [await bus.publish(Event(EVENT)) for _ in range(3)]
    assert [result.ok for result in results] == [False, False, True]


async def test_cancelling_a_publisher_that_waits(bus, hear, gate):
    """It leaves the queue; those behind it are not held up."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=1))
    hear(gate)
    first, second, third = publishing(bus, 3)
    await gate.until(1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open()
    assert (await first).ok
    assert (await third).ok
    assert gate.entered == 2
    assert bus.health()["concurrency"] == {"running_worker": 0, "waiting_worker": 0}


async def test_a_handler_does_not_wait_for_itself(bus, hear):
    """What it publishes, awaits, and handles itself takes no slot, at whatever depth."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=1))
    seen = []

    async def nested(event):
        left = event.payload["n"]
        seen.append(left)
        await asyncio.sleep(0)
        if left:
            (await bus.publish(Event(EVENT, {"n": left - 1}))).raise_for_errors()

    hear(nested)
    async with asyncio.timeout(10):
        assert (await bus.publish(Event(EVENT, {"n": 3}))).ok
    assert seen == [3, 2, 1, 0]


async def test_nor_for_what_it_publishes_soon(bus, hear):
    """It may await that too, so it takes no slot either."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=1))

    async def nested(event):
        if event.payload["n"]:
            await bus.publish_soon(Event(EVENT, {"n": 0}))

    hear(nested)
    async with asyncio.timeout(10):
        assert (await bus.publish(Event(EVENT, {"n": 1}))).ok


async def test_a_task_that_outlives_its_handler_waits_its_turn(bus, hear, gate):
    """It is no longer the handler that would wait for itself."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=1))
    tasks, ended = [], asyncio.Event()

    async def later():
        await ended.wait()
        await bus.publish(Event(EVENT, {"n": 1}))

    async def work(event):
        if event.payload["n"] == 0:
            tasks.append(asyncio.create_task(later()))
        else:
            await gate(event)

    hear(work)
    await bus.publish(Event(EVENT, {"n": 0}))
    other = asyncio.create_task(bus.publish(Event(EVENT, {"n": 2})))
    await gate.until(1)
    ended.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert bus.health()["concurrency"]["waiting_worker"] == 1
    gate.open()
    await asyncio.gather(other, *tasks)
    assert gate.most == 1


def test_it_holds_across_loops_and_threads(bus, hear):
    """Eight loops in eight threads, two at once."""
    bus.add_interceptor(ConcurrencyInterceptor(max_concurrency=2))
    lock, running, most, done = threading.Lock(), 0, 0, 0

    async def work(event):
        nonlocal running, most, done
        with lock:
            running += 1
            most = max(most, running)
        await asyncio.sleep(0)
        with lock:
            running -= 1
            done += 1

    async def publish():
        async with asyncio.timeout(60):
            await asyncio.gather(*publishing(bus, 50))

    hear(work)
    threads = [threading.Thread(target=lambda: asyncio.run(publish())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done, running) == (2, 400, 0)
    assert bus.health()["concurrency"] == {"running_worker": 0, "waiting_worker": 0}


async def test_a_slot_is_lost_by_no_cancellation():
    """Whenever it comes: before, with, or after the slot."""
    slots, rng = Slots(2), random.Random(7)

    async def work():
        await slots.acquire()
        try:
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
        finally:
            slots.release()

    for _ in range(300):
        tasks = [asyncio.create_task(work()) for _ in range(6)]
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
            rng.choice(tasks).cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks, return_exceptions=True)
        assert (slots.taken, slots.waiting) == (0, 0)


def test_a_loop_that_was_closed_holds_up_nobody():
    """Who waited there is passed over."""
    slots = Slots(1)
    asyncio.run(slots.acquire())
    gone = asyncio.new_event_loop()
    task = gone.create_task(slots.acquire())
    gone.run_until_complete(asyncio.sleep(0))
    assert slots.waiting == 1
    gone.close()
    slots.release()
    assert (slots.taken, slots.waiting) == (0, 0)
    task._log_destroy_pending = False  # it is what this test leaves behind
    task.get_coro().close()


@pytest.mark.parametrize("most", [0, -1])
def test_a_limit_that_is_none_is_refused(most):
    """With the setting's name."""
    with pytest.raises(ValueError, match=r"^max_concurrency: at least 1"):
        ConcurrencyInterceptor(max_concurrency=most)
