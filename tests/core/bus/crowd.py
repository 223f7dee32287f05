"""A crowd of threads, each with a loop of its own, on one bus; and whether their counts agree."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from busway import ANY, Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from busway import HandlerOutcome, PublishResult

THREADS = 8
OTHER_TYPES = [EventType.USER_CREATED, EventType.AUDIT_LOG]


class Counting:
    """Counts the events it was given; each on the loop, and in the thread, of its publisher."""

    def __init__(self, types: list[Any], waits: int = 0) -> None:
        self.event_types, self.waits = types, waits
        self.seen: list[str] = []

    async def handle(self, event: Event) -> None:
        where = str(threading.get_ident())
        for _ in range(self.waits):
            await asyncio.sleep(0)
        assert (event.source, str(threading.get_ident())) == (where, where)
        self.seen.append(event.id)


def let_pass(event: Event) -> Event:
    return event


def pass_on(handler: object, call_next: Callable[[Event], Any]) -> Callable[[Event], Any]:
    async def call(event: Event) -> None:
        await call_next(event)

    return call


class Member:
    """One thread: publishes, subscribes and unsubscribes at random, and counts."""

    def __init__(self, bus: EventBus, stays: list[Counting], seed: int) -> None:
        self.bus, self.stays = bus, stays
        self.choose = random.Random(seed)
        self.own = Counting([EventType.USER_LOGIN], waits=seed % 3)
        self.subscribed = False
        self.operations = 0
        self.sent: list[str] = []
        self.told: Counter[int] = Counter()
        self._soon: list[asyncio.Task[PublishResult]] = []

    async def live(self, goes_on: Callable[[int], bool]) -> None:
        """Do one thing after another; at the end nothing of its own is left on the bus."""
        things = (self.publish, self.publish_many, self.publish_soon, self.deliver)
        things += (self.come_or_go, self.come_or_go, self.visit, self.compose, self.publish_other)
        while goes_on(self.operations):
            self.operations += 1
            await self.choose.choice(things)()
        for task in self._soon:
            self._count((await task).outcomes)
        if self.subscribed:
            await self.come_or_go()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def _event(self, type_: EventType = EventType.USER_LOGIN) -> Event:
        event = Event(type_, source=str(threading.get_ident()))
        if type_ is EventType.USER_LOGIN:
            self.sent.append(event.id)
        return event

    def _count(self, outcomes: tuple[HandlerOutcome, ...]) -> None:
        for one in outcomes:
            assert one.status == "ok", one
            self.told[id(one.handler)] += 1

    def _check(self, result: PublishResult) -> None:
        reached = [one.handler for one in result.outcomes]
        assert [one for one in reached if one in self.stays] == self.stays
        assert (self.own in reached) is self.subscribed
        assert len(set(map(id, reached))) == len(reached)
        self._count(result.outcomes)

    async def publish(self) -> None:
        self._check(await self.bus.publish(self._event()))

    async def publish_many(self) -> None:
        for result in await self.bus.publish_many([self._event() for _ in range(3)]):
            self._check(result)

    async def publish_soon(self) -> None:
        self._soon.append(self.bus.publish_soon(self._event()))

    async def publish_other(self) -> None:
        """An event that only those of ANY hear, if there are any."""
        result = await self.bus.publish(self._event(self.choose.choice(OTHER_TYPES)))
        self._count(result.outcomes)

    async def deliver(self) -> None:
        self._count((await self.bus.deliver(self._event(EventType.ITEM_CREATED), self.own),))

    async def come_or_go(self) -> None:
        if self.subscribed:
            assert self.bus.unsubscribe(self.own) is True
        else:
            self.bus.subscribe(self.own)
        self.subscribed = not self.subscribed
        assert (self.own in self.bus.handlers) is self.subscribed

    async def visit(self) -> None:
        """A handler that comes for one publish, in which it is reached."""
        visitor = Counting([ANY])
        with self.bus.subscribed(visitor):
            event = self._event(EventType.AUDIT_LOG)
            self._count((await self.bus.publish(event)).outcomes)
        assert event.id in visitor.seen
        self.told.pop(id(visitor))

    async def compose(self) -> None:
        """All handlers are composed anew."""
        self.bus.add_interceptor(pass_on)
        self.bus.add_middleware(let_pass)
        assert self.bus.remove_interceptor(pass_on)
        assert self.bus.remove_middleware(let_pass)


@contextmanager
def switching_often() -> Iterator[None]:
    """Threads take turns every few steps, not every few milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def run_crowd(*, operations: int | None = None, seconds: float = 0, seed: int) -> dict[str, int]:
    """Let eight threads live on one bus, for so many operations each or so many seconds.

    Returns:
        What was counted, when all counts agreed.
    """
    bus = EventBus()
    stays = [Counting([EventType.USER_LOGIN], waits=waits) for waits in (0, 1, 2)]
    for handler in stays:
        bus.subscribe(handler)
    members = [Member(bus, stays, seed * THREADS + number) for number in range(THREADS)]
    barrier = threading.Barrier(THREADS)

    def live(member: Member) -> None:
        barrier.wait(10)
        until = time.monotonic() + seconds
        asyncio.run(
            member.live(
                (lambda _: time.monotonic() < until)
                if operations is None
                else (lambda done: done < operations)
            )
        )

    with switching_often(), ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(live, member) for member in members]:
            future.result(seconds + 300)
    sent = sorted(one for member in members for one in member.sent)
    told = sum((member.told for member in members), Counter())
    for handler in stays:
        assert sorted(handler.seen) == sent
    for handler in (*stays, *(member.own for member in members)):
        assert len(set(handler.seen)) == len(handler.seen) == told[id(handler)]
    assert bus.handlers == tuple(stays)
    assert (bus.middleware, bus.interceptors) == ((), ())
    assert asyncio.run(bus.drain(0)) == []
    return {
        "operations": sum(member.operations for member in members),
        "events": len(sent),
        "handler runs": sum(told.values()),
    }
