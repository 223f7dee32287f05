"""A driver that cancels a task at the n-th suspension of a coroutine, and a bus to try it on."""

from __future__ import annotations

import asyncio
import types
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    Way: TypeAlias = Callable[["House"], Coroutine[Any, Any, object]]
    When: TypeAlias = Callable[[asyncio.Task[Any], asyncio.Future[Any] | None], object]


def as_it_suspends(task: asyncio.Task[Any], _: asyncio.Future[Any] | None) -> None:
    """Before the task has given the loop what it waits for."""
    task.cancel()


def while_it_waits(task: asyncio.Task[Any], _: asyncio.Future[Any] | None) -> None:
    """One turn of the loop later."""
    asyncio.get_running_loop().call_soon(task.cancel)


def as_it_is_resumed(task: asyncio.Task[Any], future: asyncio.Future[Any] | None) -> None:
    """When what it waits for is done, just before the task hears of that."""
    if future is None:
        asyncio.get_running_loop().call_soon(task.cancel)
    else:
        future.add_done_callback(lambda _: task.cancel())


MOMENTS = [as_it_suspends, while_it_waits, as_it_is_resumed]


LONG = 40
"""Turns of the loop that a handler waits which never ends before its publisher is cancelled."""


class Driver:
    """Awaits a coroutine in the current task, and cancels that at the suspensions it is told."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], when: When, *at: int) -> None:
        self._coroutine, self._when, self._at = coroutine, when, at
        self._suspensions = 0
        self.cancelled = 0

    async def drive(self) -> object:
        return await self._step_by_step()

    @types.coroutine
    def _step_by_step(self) -> Generator[Any, Any, object]:
        task = asyncio.current_task()
        step = partial(self._coroutine.send, None)
        while True:
            try:
                future = step()
            except StopIteration as ended:
                return ended.value
            self._suspensions += 1
            if self._suspensions in self._at:
                self.cancelled += 1
                self._when(task, future)
            try:
                step = partial(self._coroutine.send, (yield future))
            except BaseException as error:
                step = partial(self._coroutine.throw, error)


async def settle(task: asyncio.Task[Any]) -> None:
    """Wait for a task, and fail instead of hanging."""
    done, _ = await asyncio.wait({task}, timeout=10)
    assert done, "it hangs"


async def cancelled_at(house: House, way: Way, when: When, *at: int) -> int:
    """Run it, cancelled at these suspensions; how often it was, which must propagate."""
    driver = Driver(way(house), when, *at)
    task = asyncio.create_task(driver.drive())
    await settle(task)
    assert task.cancelled() is (driver.cancelled > 0)
    if not driver.cancelled:
        task.result()
    assert min(task.cancelling(), 1) == min(driver.cancelled, 1), "somebody uncancelled it"
    return driver.cancelled


class House:
    """A bus, handlers of several kinds on it, and what they did.

    Attributes:
        began: the names of the handlers that began to handle, in order.
        cancelled: of those into which CancelledError was thrown.
        ended: of those that ended.
        up: of those that were started and not stopped.
    """

    def __init__(self) -> None:
        self.bus = EventBus()
        self.began: list[str] = []
        self.cancelled: list[str] = []
        self.ended: list[str] = []
        self.up: list[str] = []
        self.handlers = [
            Handler(self, "sync"),
            Handler(self, "slow", turns=3, cleanup=2),
            Handler(self, "outer", publishes=True),
            Handler(self, "stubborn", turns=2, stubborn=True),
            Handler(self, "inner", EventType.USER_LOGOUT, turns=LONG, cleanup=1),
            Handler(self, "long", turns=LONG),
            Handler(self, "last", turns=1),
            Handler(self, "longer", turns=LONG + 1),
        ]
        for handler in self.handlers:
            self.bus.subscribe(handler)

    def publish(self) -> Coroutine[Any, Any, object]:
        """One event, which one of its handlers answers by another."""
        return self.bus.publish(Event(EventType.USER_LOGIN))

    async def check_idle(self) -> None:
        """Nothing is left running, nothing is counted, and who began has ended."""
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await self.bus.drain(0) == []
        assert sorted(self.ended) == sorted(self.began)


class Handler:
    """Waits, cleans up, publishes, suppresses its cancellation; its start and stop wait too."""

    def __init__(
        self,
        house: House,
        name: str,
        type_: EventType = EventType.USER_LOGIN,
        *,
        turns: int = 0,
        cleanup: int = 0,
        stubborn: bool = False,
        publishes: bool = False,
    ) -> None:
        self.house, self.name, self.event_types = house, name, [type_]
        self.turns, self.cleanup = turns, cleanup
        self.stubborn, self.publishes = stubborn, publishes

    async def handle(self, event: Event) -> None:
        self.house.began.append(self.name)
        try:
            if self.publishes:
                await self.house.bus.publish(Event(EventType.USER_LOGOUT))
            await self._wait()
        finally:
            try:
                for _ in range(self.cleanup):
                    await asyncio.sleep(0)
            finally:
                self.house.ended.append(self.name)

    async def start(self, bus: EventBus) -> None:
        await self._wait()
        self.house.up.append(self.name)

    async def stop(self) -> None:
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
        finally:
            self.house.up.remove(self.name)

    async def _wait(self) -> None:
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.house.cancelled.append(self.name)
            if not self.stubborn:
                raise
            await asyncio.sleep(0)
