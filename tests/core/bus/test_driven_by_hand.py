"""The coroutine of a publish, driven by hand: stepped, thrown into, closed, dropped."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

WAYS = ["publish", "publish_many", "deliver"]


class Waits:
    """A handler that waits for its gate, and cleans up for two turns of the loop."""

    event_types = (EventType.USER_LOGIN,)

    def __init__(self, order: list[int], number: int, gate: asyncio.Event) -> None:
        self.order, self.number, self.gate = order, number, gate
        self.ended: list[str] = []

    async def handle(self, event: Event) -> None:
        self.order.append(self.number)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.ended.append("cancelled")
            raise
        self.ended.append("ok")


class Stage:
    """Some waiting handlers on a bus, and ways to publish to them."""

    def __init__(self, count: int = 3) -> None:
        self.bus, self.gate, self.order = EventBus(), asyncio.Event(), []
        self.handlers = [Waits(self.order, number, self.gate) for number in range(count)]
        for handler in self.handlers:
            self.bus.subscribe(handler)

    def publish(self, way: str = "publish") -> Coroutine[Any, Any, Any]:
        event = Event(EventType.USER_LOGIN)
        if way == "publish":
            return self.bus.publish(event)
        if way == "publish_many":
            return self.bus.publish_many([event])
        return self.bus.deliver(event, self.handlers[0])

    def ended(self) -> list[str]:
        """How those that were started have ended."""
        return [end for number in self.order for end in self.handlers[number].ended]


async def finish(coroutine: Coroutine[Any, Any, Any], future: asyncio.Future[Any] | None) -> Any:
    """Go on with what was begun by hand, and waits for a future, as a task would."""
    async with asyncio.timeout(10):
        while True:
            if future is None:
                await asyncio.sleep(0)
            else:
                future._asyncio_future_blocking = False
                await asyncio.wait({future})
            try:
                future = coroutine.send(None)
            except StopIteration as ended:
                return ended.value


async def test_all_have_started_when_it_first_suspends() -> None:
    """With 100 waiting handlers the last has started, in order, before `publish` suspends."""
    stage = Stage(100)
    coroutine = stage.publish()
    future = coroutine.send(None)
    assert stage.order == list(range(100))
    stage.gate.set()
    result = await finish(coroutine, future)
    assert (result.ok, len(result.outcomes)) == (True, 100)


async def test_all_have_started_in_one_turn(turns: Callable[[int], Any]) -> None:
    """When a task has published for one turn of the loop, the last of 100 has started."""
    stage = Stage(100)
    task = asyncio.create_task(stage.publish())
    await turns(1)
    assert stage.order == list(range(100))
    stage.gate.set()
    assert (await task).ok


async def test_it_suspends_once(bus, hear) -> None:
    """It waits for one future that is set when the last handler has ended; nothing is polled."""

    async def waits(event: Event) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    for _ in range(10):
        hear(waits)
    coroutine = bus.publish(Event(EventType.USER_LOGIN))
    future = coroutine.send(None)
    await asyncio.wait({future}, timeout=10)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert ended.value.value.ok


async def turns_to_publish(count: int) -> int:
    """How often the loop turns until a publish to handlers that wait one turn each is over."""

    class Turns:
        event_types = (EventType.USER_LOGIN,)

        async def handle(self, event: Event) -> None:
            await asyncio.sleep(0)

    bus = EventBus()
    for _ in range(count):
        bus.subscribe(Turns())
    task, turns = asyncio.create_task(bus.publish(Event(EventType.USER_LOGIN))), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_a_hundred_take_as_many_turns_as_one() -> None:
    """Handlers that wait one turn each wait the same turn, however many they are."""
    assert await turns_to_publish(100) == await turns_to_publish(1)


async def test_those_that_do_not_wait_are_over_before_the_next(bus, hear) -> None:
    """Handlers start in order whether they wait or not: each has ended, or waits."""
    order: list[str] = []

    def sync(event: Event) -> None:
        order.append("sync")

    async def waits(event: Event) -> None:
        order.append("waits")
        await asyncio.sleep(0)
        order.append("waited")

    async def nested(event: Event) -> None:
        order.append("nested")
        await bus.publish(Event(EventType.USER_LOGOUT))
        order.append("nested ended")

    async def raises(event: Event) -> None:
        order.append("raises")
        raise ValueError

    for function in (waits, sync, nested, raises, waits):
        hear(function, EventType.USER_LOGIN)
    hear(sync, EventType.USER_LOGOUT)
    hear(waits, EventType.USER_LOGOUT)
    coroutine = bus.publish(Event(EventType.USER_LOGIN))
    future = coroutine.send(None)
    assert order == ["waits", "sync", "nested", "sync", "waits", "raises", "waits"]
    result = await finish(coroutine, future)
    assert [one.status for one in result.outcomes] == ["ok", "ok", "ok", "failed", "ok"]


@pytest.mark.parametrize("way", WAYS)
async def test_cancelled_error_thrown_in(way: str) -> None:
    """The handlers are cancelled; it waits for them, then the very error comes out."""
    stage, error = Stage(), asyncio.CancelledError("thrown in")
    coroutine = stage.publish(way)
    coroutine.send(None)
    future = coroutine.throw(error)
    with pytest.raises(asyncio.CancelledError) as caught:
        await finish(coroutine, future)
    assert caught.value is error
    assert stage.ended() == ["cancelled"] * len(stage.order)
    assert await stage.bus.drain(0) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("way", WAYS)
async def test_any_error_thrown_in(way: str, error: type[BaseException]) -> None:
    """The handlers are cancelled, whatever is thrown in; nothing is left running or counted."""
    stage = Stage()
    coroutine = stage.publish(way)
    coroutine.send(None)
    with pytest.raises(error):
        await finish(coroutine, coroutine.throw(error()))
    assert await stage.bus.drain(5) == []
    for _ in range(5):
        await asyncio.sleep(0)
    assert stage.ended() == ["cancelled"] * len(stage.order)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("way", WAYS)
async def test_closed_half_way(way: str) -> None:
    """It cannot wait any more, but its handlers are cancelled: nothing is left running."""
    stage = Stage()
    coroutine = stage.publish(way)
    coroutine.send(None)
    coroutine.close()
    assert await stage.bus.drain(5) == []
    for _ in range(5):
        await asyncio.sleep(0)
    assert stage.ended() == ["cancelled"] * len(stage.order)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("way", WAYS)
async def test_closed_before_it_began(way: str) -> None:
    """Nothing runs, nothing is counted, nothing is warned of."""
    stage = Stage()
    stage.publish(way).close()
    gc.collect()
    assert await stage.bus.drain(0) == []
    assert stage.order == []


@pytest.mark.parametrize("way", WAYS)
async def test_dropped_before_it_began(way: str) -> None:
    """Python warns, as of any coroutine; nothing runs, nothing is counted."""
    stage = Stage()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        stage.publish(way)
    assert await stage.bus.drain(0) == []
    assert stage.order == []


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
@pytest.mark.parametrize("way", WAYS)
async def test_thrown_into_before_it_began(way: str, error: type[BaseException]) -> None:
    """What is thrown in comes out; nothing runs, nothing is counted."""
    stage = Stage()
    coroutine = stage.publish(way)
    with pytest.raises(error):
        coroutine.throw(error())
    assert await stage.bus.drain(0) == []
    assert stage.order == []


@pytest.mark.parametrize("way", WAYS)
async def test_task_cancelled_before_it_began(way: str) -> None:
    """Nothing runs, nothing is counted, and the next publish is as ever."""
    stage = Stage()
    task = asyncio.create_task(stage.publish(way))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stage.bus.drain(0) == []
    assert stage.order == []
    stage.gate.set()
    assert (await stage.publish()).ok


@pytest.mark.parametrize("way", WAYS)
async def test_awaited_a_second_time(way: str) -> None:
    """A coroutine is awaited once: the second time raises, and runs no handler."""
    stage = Stage()
    stage.gate.set()
    coroutine = stage.publish(way)
    await coroutine
    before = list(stage.order)
    with pytest.raises(RuntimeError, match="cannot reuse"):
        await coroutine
    assert stage.order == before
    assert await stage.bus.drain(0) == []


async def test_begun_by_one_task_and_cancelled_from_another() -> None:
    """A publish under `shield` goes on when who awaits it is cancelled."""
    stage = Stage()
    inner = asyncio.create_task(stage.publish())
    outer = asyncio.create_task(asyncio.wait_for(asyncio.shield(inner), 10))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert await stage.bus.drain(0) != []
    stage.gate.set()
    assert (await inner).ok
