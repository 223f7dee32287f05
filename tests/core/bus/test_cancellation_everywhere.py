"""Cancellation at every point at which publish, publish_many and deliver can wait.

A driver runs the coroutine inside a task and cancels that task at its n-th suspension, for every
n, in three ways: as it suspends, while it waits, and when what it waits for is done already and it
has not been resumed. Besides, at every turn of the loop.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from tests.core.bus.driving import (
    LONG,
    MOMENTS,
    Driver,
    Handler,
    House,
    as_it_is_resumed,
    cancelled_at,
    settle,
)

from busway import Event, EventType

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.core.bus.driving import Way, When


def publish(house: House) -> Coroutine[Any, Any, object]:
    return house.publish()


def publish_many(house: House) -> Coroutine[Any, Any, object]:
    return house.bus.publish_many([Event(EventType.USER_LOGIN), Event(EventType.USER_LOGOUT)])


def deliver_slow(house: House) -> Coroutine[Any, Any, object]:
    return house.bus.deliver(Event(EventType.USER_LOGIN), house.handlers[1])


def deliver_outer(house: House) -> Coroutine[Any, Any, object]:
    return house.bus.deliver(Event(EventType.USER_LOGIN), house.handlers[2])


WAYS = {
    publish: ["sync", "slow", "outer", "inner", "stubborn", "long", "last", "longer"],
    publish_many: ["sync", "slow", "outer", "inner", "stubborn", "long", "last", "longer", "inner"],
    deliver_slow: ["slow"],
    deliver_outer: ["outer", "inner"],
}
"""Each way to publish, and the handlers that it starts, in order."""


def still_waiting(way: Way, when: When) -> set[str]:
    """The handlers that are bound to wait still when their publisher is cancelled."""
    return set() if when is as_it_is_resumed else {"inner", "long", "longer"} & set(WAYS[way])


@pytest.mark.parametrize("when", MOMENTS)
@pytest.mark.parametrize("way", WAYS)
async def test_at_every_suspension(way: Way, when: When) -> None:
    """All handlers were started, all have ended when it propagates, and nothing is counted."""
    for nth in count(1):
        house = House()
        cancelled = await cancelled_at(house, way, when, nth)
        assert house.began == WAYS[way]
        assert set(house.cancelled) >= (still_waiting(way, when) if cancelled else set())
        await house.check_idle()
        assert (await house.publish()).ok
        if not cancelled:
            break
    assert nth > 1


@pytest.mark.parametrize("when", MOMENTS)
@pytest.mark.parametrize("way", WAYS)
async def test_twice(way: Way, when: When) -> None:
    """A second cancellation, while the handlers are being awaited, changes nothing of that."""
    for nth in count(2):
        house = House()
        cancelled = await cancelled_at(house, way, when, 1, nth)
        assert house.began == WAYS[way]
        await house.check_idle()
        if cancelled == 1:
            break


@pytest.mark.parametrize("way", WAYS)
async def test_at_every_turn(way: Way) -> None:
    """So it is at every turn of the loop; before the first, no handler has run."""
    for turn in count():
        house = House()
        task = asyncio.create_task(way(house))
        for _ in range(turn):
            await asyncio.sleep(0)
        cancelled = task.cancel()
        await settle(task)
        assert task.cancelled() is cancelled
        assert house.began == (WAYS[way] if turn else [])
        await house.check_idle()
        if not cancelled:
            break
    assert turn > 3


class Driven:
    """A handler that publishes, and cancels its own task while it does."""

    event_types = (EventType.USER_CREATED,)

    def __init__(self, house: House, way: Way, when: When, nth: int) -> None:
        self.house, self.way, self.when, self.nth = house, way, when, nth
        self.cancelled = 0

    async def handle(self, event: Event) -> None:
        driver = Driver(self.way(self.house), self.when, self.nth)
        try:
            await driver.drive()
        finally:
            self.cancelled = driver.cancelled


@pytest.mark.parametrize("when", MOMENTS)
@pytest.mark.parametrize("way", WAYS)
async def test_inside_a_handler(way: Way, when: When) -> None:
    """A handler that is cancelled in a publish of its own disturbs no publisher and no sibling."""
    for nth in count(1):
        house = House()
        handler = Driven(house, way, when, nth)
        house.bus.subscribe(handler)
        house.bus.subscribe(Handler(house, "sibling", EventType.USER_CREATED, turns=LONG * 2))
        result = await house.bus.publish(Event(EventType.USER_CREATED))
        ended = "cancelled" if handler.cancelled else "ok"
        assert set(house.cancelled) >= (still_waiting(way, when) if handler.cancelled else set())
        assert [one.status for one in result.outcomes] == [ended, "ok"]
        assert house.began == [*WAYS[way], "sibling"]
        await house.check_idle()
        assert asyncio.current_task().cancelling() == 0
        if ended == "ok":
            break
    assert nth > 1
