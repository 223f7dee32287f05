"""Cancellation at every point at which drain, start, entering and stop can wait."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from tests.core.bus.driving import MOMENTS, House, cancelled_at

from busway import BusClosedError, Event, EventType

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.core.bus.driving import When


async def drain(house: House) -> None:
    assert await house.bus.drain() == []


def start(house: House) -> Coroutine[Any, Any, object]:
    return house.bus.start()


def enter(house: House) -> Coroutine[Any, Any, object]:
    return house.bus.__aenter__()


def stop(house: House) -> Coroutine[Any, Any, object]:
    return house.bus.stop()


@pytest.mark.parametrize("when", MOMENTS)
async def test_drain(when: When) -> None:
    """It cancels nothing but the waiting: all that is on its way is delivered."""
    for nth in count(1):
        house = House()
        begun = [asyncio.create_task(house.publish()) for _ in range(2)]
        for _ in range(2):
            await asyncio.sleep(0)
        cancelled = await cancelled_at(house, drain, when, nth)
        soon = house.bus.publish_soon(Event(EventType.USER_LOGIN))
        assert await house.bus.drain() == []
        assert [(await one).ok for one in (*begun, soon)] == [True, True, True]
        await house.check_idle()
        if not cancelled:
            break
    assert nth > 1


@pytest.mark.parametrize("when", MOMENTS)
async def test_start(when: When) -> None:
    """Who has started is started: the next start starts the others, and stop stops them all."""
    names = [one.name for one in House().handlers]
    for nth in count(1):
        house = House()
        cancelled = await cancelled_at(house, start, when, nth)
        assert house.up == names[: len(house.up)]
        assert house.bus.handlers == tuple(house.handlers)
        await house.check_idle()
        await house.bus.start()
        assert house.up == names
        assert (await house.publish()).ok
        await house.bus.stop()
        assert house.up == []
        await house.check_idle()
        if not cancelled:
            break
    assert nth > len(names)


@pytest.mark.parametrize("when", MOMENTS)
async def test_stop_after_a_start_that_was_cancelled(when: When) -> None:
    """Who has started is stopped, and no other."""
    for nth in count(1):
        house = House()
        cancelled = await cancelled_at(house, start, when, nth)
        await house.bus.stop()
        assert house.up == []
        await house.check_idle()
        if not cancelled:
            break


@pytest.mark.parametrize("when", MOMENTS)
async def test_enter(when: When) -> None:
    """Who has started is stopped, the bus is closed, and can be entered again."""
    for nth in count(1):
        house = House()
        if not await cancelled_at(house, enter, when, nth):
            break
        assert house.up == []
        with pytest.raises(BusClosedError):
            await house.publish()
        await house.check_idle()
        async with house.bus:
            assert len(house.up) == len(house.handlers)
    await house.bus.stop()
    assert nth > 1


@pytest.mark.parametrize("when", MOMENTS)
async def test_start_twice(when: When) -> None:
    """A second cancellation leaves nothing running either."""
    for nth in count(2):
        house = House()
        cancelled = await cancelled_at(house, start, when, 1, nth)
        await house.check_idle()
        await house.bus.stop()
        assert house.up == []
        if cancelled < 2:
            break


@pytest.mark.parametrize("when", MOMENTS)
async def test_stop(when: When) -> None:
    """The draining ends, all that was started is stopped, the bus is closed, and can be entered."""
    for nth in count(1):
        house = House()
        await house.bus.start()
        late = [house.bus.publish_soon(Event(EventType.USER_LOGIN)) for _ in range(2)]
        cancelled = await cancelled_at(house, stop, when, nth)
        assert house.up == []
        with pytest.raises(BusClosedError):
            await house.publish()
        assert all(one.done() for one in late)
        await house.check_idle()
        async with house.bus:
            assert (await house.publish()).ok
        if not cancelled:
            break
    assert nth > len(house.handlers)


@pytest.mark.parametrize("when", MOMENTS)
async def test_stop_twice(when: When) -> None:
    """So it is when a second cancellation comes while the handlers are being stopped."""
    for first in count(1):
        for second in count(first + 1):
            house = House()
            await house.bus.start()
            late = house.bus.publish_soon(Event(EventType.USER_LOGIN))
            cancelled = await cancelled_at(house, stop, when, first, second)
            assert house.up == []
            assert late.done()
            await house.check_idle()
            if cancelled < 2:
                break
        if not cancelled:
            break
