"""KeyboardInterrupt and SystemExit from handlers: they leave `publish`, the task, and the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    Hear = Callable[..., Any]

LOGIN = EventType.USER_LOGIN


class FalsyInterrupt(KeyboardInterrupt):
    """It is an interrupt, though asked whether it is true it says no."""

    def __bool__(self) -> bool:
        return False


INTERRUPTS = [KeyboardInterrupt, SystemExit, FalsyInterrupt]


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
@pytest.mark.parametrize("error", INTERRUPTS)
def test_interrupt_leaves_the_loop(
    bus: EventBus, hear: Hear, error: type[BaseException], suspends: bool
) -> None:
    """It leaves `asyncio.run`, the others cancelled and awaited; the bus is good for another."""
    ended = []

    async def cleans(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned")

    async def raises(event: Event) -> None:
        if suspends:
            await asyncio.sleep(0)
        raise error

    waiting, raising = hear(cleans), hear(raises)

    async def main() -> None:
        try:
            async with asyncio.timeout(5) as limit:
                await bus.publish(Event(LOGIN))
        finally:
            ended.append("late" if limit.expired() else "published")

    with pytest.raises(error):
        asyncio.run(main())
    assert ended == ["cleaned", "published"]
    bus.unsubscribe(waiting)
    bus.unsubscribe(raising)
    hear(lambda _: ended.append("next"))
    asyncio.run(main())
    assert ended == ["cleaned", "published", "next", "published"]
    assert asyncio.run(bus.drain(0)) == []


@pytest.mark.parametrize("error", INTERRUPTS)
async def test_two_interrupts(bus: EventBus, hear: Hear, error: type[BaseException]) -> None:
    """A handler that is interrupted while another's interrupt cancels it adds nothing to it."""
    raised: list[BaseException] = []

    async def raises(event: Event) -> None:
        await asyncio.sleep(0)
        raised.append(error())
        raise raised[-1]

    async def raises_in_its_cleaning_up(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raised.append(error())
            raise raised[-1]

    hear(raises)
    hear(raises_in_its_cleaning_up)
    with pytest.raises(error) as caught:
        await bus.publish(Event(LOGIN))
    assert len(raised) == 2
    assert caught.value in raised
    assert await bus.drain(0) == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("error", INTERRUPTS)
async def test_interrupt_while_the_publisher_is_cancelled(
    bus: EventBus, hear: Hear, error: type[BaseException]
) -> None:
    """An interrupt out of a handler's cleaning up leaves `publish` rather than the cancellation."""
    caught: list[BaseException] = []

    async def raises(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise error

    async def publisher() -> None:
        try:
            await bus.publish(Event(LOGIN))
        except BaseException as reason:  # in a task an interrupt would end the loop
            caught.append(reason)

    hear(raises)
    task = asyncio.create_task(publisher())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=10)
    assert [type(one) for one in caught] == [error]
    assert await bus.drain(0) == []


@pytest.mark.parametrize("error", INTERRUPTS)
def test_interrupt_of_publish_soon_leaves_the_loop(
    bus: EventBus, hear: Hear, error: type[BaseException]
) -> None:
    """Nobody awaits it: it ends the loop's run, and nothing stays counted."""

    def raises(event: Event) -> None:
        raise error

    hear(raises)

    async def main() -> None:
        bus.publish_soon(Event(LOGIN))
        await asyncio.sleep(10)

    with pytest.raises(error):
        asyncio.run(main())
    assert asyncio.run(bus.drain(0)) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_of_publish_threadsafe_ends_the_run(
    bus: EventBus, hear: Hear, error: type[BaseException]
) -> None:
    """The future has it, leaving `running()` raises it, and the bus can be run again."""

    def raises(event: Event) -> None:
        raise error

    handler = hear(raises)
    futures: list[Any] = []

    def run() -> None:
        with bus.running():
            futures.append(bus.publish_threadsafe(Event(LOGIN)))
            futures[0].exception(10)

    with pytest.raises(error):
        run()
    assert isinstance(futures[0].exception(0), error)
    bus.unsubscribe(handler)
    with bus.running():
        assert bus.publish_threadsafe(Event(LOGIN)).result(10).ok
