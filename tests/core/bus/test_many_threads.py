"""Eight threads, each with a loop of its own, on one bus; and threads that stop it meanwhile."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.core.bus.crowd import THREADS, run_crowd, switching_often

from busway import BusClosedError, Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable

LOGIN = EventType.USER_LOGIN


def test_eight_threads_count_the_same() -> None:
    """Publishing, subscribing and unsubscribing: every handler ran as often as results tell."""
    counted = run_crowd(operations=400, seed=1)
    assert counted["operations"] == THREADS * 400


class Waits:
    """A handler that waits for a gate of its publisher's loop, and notes where it was taken up."""

    event_types = (LOGIN,)

    def __init__(self) -> None:
        self.gates: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self.waiting = {"one": threading.Event(), "two": threading.Event()}
        self.notes: list[tuple[str, int, object]] = []

    async def handle(self, event: Event) -> None:
        name, loop = event.source, asyncio.get_running_loop()
        self.gates[name] = loop, asyncio.Event()
        self.waiting[name].set()
        try:
            await self.gates[name][1].wait()
        except asyncio.CancelledError:
            self.notes.append((f"{name} cancelled", threading.get_ident(), loop))
            raise
        self.notes.append((name, threading.get_ident(), asyncio.get_running_loop()))

    def open(self, name: str) -> None:
        loop, gate = self.gates[name]
        loop.call_soon_threadsafe(gate.set)


@pytest.mark.parametrize("first", ["one", "two"])
def test_two_loops_in_two_threads(bus: EventBus, first: str) -> None:
    """One handler waits on both at once; each run is taken up on its own loop, in its thread."""
    handler = Waits()
    bus.subscribe(handler)

    def publish(name: str) -> tuple[Any, int]:
        return asyncio.run(bus.publish(Event(LOGIN, source=name))), threading.get_ident()

    with ThreadPoolExecutor(2) as pool:
        futures = {name: pool.submit(publish, name) for name in ("one", "two")}
        for waiting in handler.waiting.values():
            assert waiting.wait(10)
        for name in (first, "two" if first == "one" else "one"):
            handler.open(name)
            result, ident = futures[name].result(10)
            assert result.ok
            assert handler.notes[-1] == (name, ident, handler.gates[name][0])
    assert asyncio.run(bus.drain(0)) == []


def test_cancellation_on_one_loop_reaches_no_other(bus: EventBus) -> None:
    """A publisher that is cancelled in one thread disturbs no publish in another."""
    handler, tasks = Waits(), []
    bus.subscribe(handler)

    async def main(name: str) -> Any:
        task = asyncio.create_task(bus.publish(Event(LOGIN, source=name)))
        tasks.append((name, asyncio.get_running_loop(), task))
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    with ThreadPoolExecutor(2) as pool:
        futures = {name: pool.submit(asyncio.run, main(name)) for name in ("one", "two")}
        for waiting in handler.waiting.values():
            assert waiting.wait(10)
        _, loop, task = next(entry for entry in tasks if entry[0] == "one")
        loop.call_soon_threadsafe(task.cancel)
        assert futures["one"].result(10) is None
        handler.open("two")
        assert futures["two"].result(10).ok
    assert sorted(note[0] for note in handler.notes) == ["one cancelled", "two"]


def test_two_loops_taking_turns_in_one_thread(bus: EventBus, hear: Callable[..., Any]) -> None:
    """Each handler runs on the loop of its publisher, whichever ran last."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def waits(event: Event) -> None:
        assert asyncio.current_task().get_loop() is asyncio.get_running_loop()
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    hear(lambda _: loops.append(asyncio.get_running_loop()))
    hear(waits)
    hear(lambda _: loops.append(asyncio.get_running_loop()))

    async def publish() -> bool:
        return (await bus.publish(Event(LOGIN))).ok

    with asyncio.Runner() as one, asyncio.Runner() as two:
        for runner in (one, two, two, one, two):
            loops.clear()
            assert runner.run(asyncio.wait_for(publish(), 10))
            assert loops == [runner.get_loop()] * 3


@pytest.mark.parametrize("handlers", [0, 1])
def test_publishing_without_a_pause_while_another_thread_stops(
    bus: EventBus, hear: Callable[..., Any], handlers: int
) -> None:
    """A publisher that never yields is refused once the bus stops; what went before was whole."""
    handled: list[Event] = []
    for _ in range(handlers):
        hear(handled.append)
    begun, well = threading.Event(), 0

    async def publish_for_ever() -> None:
        nonlocal well
        while True:
            result = await bus.publish(Event(LOGIN))
            assert (result.ok, len(result.outcomes)) == (True, handlers)
            well += 1
            begun.set()

    def publish() -> None:
        with pytest.raises(BusClosedError):
            asyncio.run(publish_for_ever())

    with switching_often(), ThreadPoolExecutor(1) as pool:
        for _ in range(20):
            begun.clear()
            publishing = pool.submit(publish)
            assert begun.wait(10)
            asyncio.run(bus.stop())
            publishing.result(10)
            assert asyncio.run(bus.drain(0)) == []
            assert len(handled) == well * handlers
            asyncio.run(bus.start())


def test_stopping_while_many_threads_publish_and_wait(
    bus: EventBus, hear: Callable[..., Any]
) -> None:
    """Each publish is either refused at the call or delivered whole before `stop` returns."""
    ended: list[str] = []

    async def waits(event: Event) -> None:
        await asyncio.sleep(0)
        ended.append(event.id)

    hear(waits)
    hear(waits)
    begun = threading.Barrier(5)

    async def publish_for_ever() -> list[str]:
        well: list[str] = []
        begun.wait(10)
        while True:
            event = Event(LOGIN)
            try:
                result = await bus.publish(event)
            except BusClosedError:
                return well
            assert [one.status for one in result.outcomes] == ["ok", "ok"]
            well.append(event.id)

    with switching_often(), ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(lambda: asyncio.run(publish_for_ever())) for _ in range(4)]
        begun.wait(10)
        asyncio.run(bus.stop())
        at_the_end = sorted(ended)
        well = [one for future in futures for one in future.result(10)]
    assert sorted(ended) == at_the_end == sorted(well * 2)


def test_starting_in_many_threads(bus: EventBus, hear: Callable[..., Any]) -> None:
    """`start` in eight threads at once starts each handler once, and all can publish."""
    started: list[int] = []
    handlers = [hear(lambda _: None) for _ in range(20)]
    for number, handler in enumerate(handlers):
        handler.start = lambda _, number=number: started.append(number)
    barrier = threading.Barrier(THREADS)

    async def start() -> bool:
        barrier.wait(10)
        await bus.start()
        return (await bus.publish(Event(LOGIN))).ok

    with switching_often(), ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(lambda: asyncio.run(start())) for _ in range(THREADS)]
        assert [future.result(10) for future in futures] == [True] * THREADS
    assert sorted(started) == list(range(20))
