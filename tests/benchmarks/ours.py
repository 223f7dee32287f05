"""Contenders made of Busway: a publish, and what is asked of the bus beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from functools import cache, partial
from itertools import cycle

from tests.benchmarks.contenders import Contender, Handler, Publish, contender
from tests.benchmarks.given import EVENT, EVENTS, MIDDLEWARE, PAYLOAD

from busway import Event, EventBus, EventType, PublishResult, register_event_types

__all__ = [
    "busway",
    "crowded",
    "publish_each",
    "publish_many",
    "publish_new",
    "subscribing",
    "with_middleware",
]

CROWD = 100_000
"""How many others there are."""


class Subscriber:
    """A function as a handler of some types, as `@on_event` makes one."""

    def __init__(self, handle: Handler, *types: StrEnum) -> None:
        self.handle = handle
        self.event_types = types


def _failures(result: PublishResult) -> Sequence[Exception]:
    return result.errors


def _all_failures(results: Sequence[PublishResult]) -> Sequence[Exception]:
    return [error for result in results for error in result.errors]


def _bus_of(handlers: Sequence[Handler]) -> EventBus:
    bus = EventBus()
    for handle in handlers:
        bus.subscribe(Subscriber(handle, EVENT.type))
    return bus


@contender("busway", failures=_failures)
async def busway(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_bus_of(handlers).publish, EVENT)


@contender("busway", failures=_failures)
async def publish_new(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    bus = _bus_of(handlers)
    yield lambda: bus.publish(Event(EventType.USER_LOGIN, PAYLOAD))


@contender("busway publish_many", failures=_all_failures)
async def publish_many(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    yield partial(_bus_of(handlers).publish_many, EVENTS)


@contender("busway publish of each", failures=_all_failures)
async def publish_each(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    bus = _bus_of(handlers)

    async def publish() -> list[PublishResult]:
        return [await bus.publish(event) for event in EVENTS]

    yield publish


@contender("busway", less=busway)
async def with_middleware(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    bus = _bus_of(handlers)
    for middleware in MIDDLEWARE:
        bus.add_middleware(middleware)
    yield partial(bus.publish, EVENT)


async def _nothing(event: Event) -> None:
    pass


@cache
def _enum() -> type[StrEnum]:
    return StrEnum("BenchmarkType", [(f"T{n}", f"benchmark.t{n}") for n in range(1_000)])


def _many_types() -> Sequence[StrEnum]:
    """A thousand event types beside those that come with the bus."""
    return list(register_event_types(_enum()))


def _fill(bus: EventBus, types: Sequence[StrEnum], count: int) -> None:
    for _, type_ in zip(range(count), cycle(types), strict=False):
        bus.subscribe(Subscriber(_nothing, type_))


@contender("busway among 100,000")
async def crowded(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
    bus = _bus_of(handlers)
    _fill(bus, _many_types(), CROWD)
    yield partial(bus.publish, EVENT)


def subscribing(name: str, *, types: int, share: int = 1) -> Contender:
    """Subscribing and unsubscribing all handlers, beside a share of the others, of some types."""

    @contender(name, awaited=False)
    async def opened(handlers: Sequence[Handler]) -> AsyncIterator[Publish]:
        bus, wanted = EventBus(), _many_types()[:types]
        _fill(bus, wanted, CROWD // share)
        pairs = zip(handlers, cycle(wanted), strict=False)
        subscribers = [Subscriber(handle, type_) for handle, type_ in pairs]

        def subscribe() -> None:
            for one in subscribers:
                bus.subscribe(one)

        def unsubscribe() -> None:
            for one in subscribers:
                bus.unsubscribe(one)

        def change() -> None:
            subscribe()
            unsubscribe()

        # no publish shows that they do what they are timed for, so it is shown here
        before = len(bus.handlers)
        subscribe()
        assert len(bus.handlers) == before + len(handlers)
        unsubscribe()
        assert len(bus.handlers) == before == CROWD // share
        yield change

    return opened
