"""What a handler may await, and what it may not: each ends it as it would end a task of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

LOGIN = EventType.USER_LOGIN


class Yields:
    """Awaiting it yields some things to the loop; it counts how often it is taken up again."""

    def __init__(self, *things: object) -> None:
        self.things = things
        self.taken_up = 0

    def __await__(self) -> Iterator[Any]:
        for thing in self.things:
            yield thing
            self.taken_up += 1


class YieldsByAnIterator:
    """Awaiting it is done by an iterator that is no generator: it knows neither send nor throw."""

    def __init__(self) -> None:
        self.left = 2

    def __await__(self) -> Iterator[Any]:
        return self

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise StopIteration("done")


async def bare(note: Callable[[object], None]) -> None:
    awaited = Yields(None, None)
    await awaited
    note(awaited.taken_up)


async def by_an_iterator(note: Callable[[object], None]) -> None:
    note(await YieldsByAnIterator())


async def number(note: Callable[[object], None]) -> None:
    try:
        await Yields(42)
    except RuntimeError as error:
        note(str(error))
        raise


async def number_later(note: Callable[[object], None]) -> None:
    await asyncio.sleep(0)
    await number(note)


async def future_not_awaited(note: Callable[[object], None]) -> None:
    try:
        await Yields(asyncio.get_running_loop().create_future())
    except RuntimeError as error:
        note(type(error))
        raise RuntimeError("as it must be") from None


async def its_own_task(note: Callable[[object], None]) -> None:
    try:
        await asyncio.current_task()
    except RuntimeError as error:
        note(type(error))
        raise RuntimeError("as it must be") from None


async def future_of_another_loop(note: Callable[[object], None]) -> None:
    made: list[asyncio.Future[None]] = []

    async def make() -> None:
        made.append(asyncio.get_running_loop().create_future())

    thread = threading.Thread(target=asyncio.run, args=(make(),))
    thread.start()
    thread.join()
    try:
        await made[0]
    except RuntimeError as error:
        note(type(error))
        raise RuntimeError("as it must be") from None


async def future_that_is_done(note: Callable[[object], None]) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    future.set_result("done")
    note(await future)


async def future_that_fails(note: Callable[[object], None]) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, ValueError("failed"))
    await future


async def future_that_is_cancelled(note: Callable[[object], None]) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel, "the reason")
    await future


async def task_that_is_cancelled(note: Callable[[object], None]) -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


async def same_future_twice(note: Callable[[object], None]) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "done")
    note(await future)
    note(await future)


async def stop_iteration(note: Callable[[object], None]) -> None:
    await asyncio.sleep(0)
    raise StopIteration("no value")


async def ignores_exit(note: Callable[[object], None]) -> None:
    try:
        await asyncio.sleep(0)
        raise GeneratorExit
    except GeneratorExit:
        note("caught")
        await asyncio.sleep(0)


BODIES = [bare, by_an_iterator, number, number_later, future_not_awaited, its_own_task]
BODIES += [future_of_another_loop, future_that_is_done, future_that_fails]
BODIES += [future_that_is_cancelled, task_that_is_cancelled, same_future_twice]
BODIES += [stop_iteration, ignores_exit]


class Handler:
    """Runs a body, and keeps what it notes."""

    event_types = (LOGIN,)

    def __init__(self, body: Callable[..., Awaitable[object]]) -> None:
        self.body = body
        self.notes: list[object] = []

    async def handle(self, event: Event) -> None:
        await self.body(self.notes.append)


async def waits(note: Callable[[object], None]) -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("body", BODIES)
async def test_awaits_as_a_task_does(body: Callable[..., Awaitable[object]]) -> None:
    """The handler notes and ends the same as a task would; its neighbours are well."""
    notes: list[object] = []
    task = asyncio.create_task(body(notes.append))
    await asyncio.wait({task}, timeout=10)
    expected: BaseException | None = None
    try:
        task.result()
    except BaseException as error:
        expected = error
    bus, handlers = EventBus(), [Handler(one) for one in (waits, body, waits, body)]
    for handler in handlers:
        bus.subscribe(handler)
    async with asyncio.timeout(10):
        result = await bus.publish(Event(LOGIN))
    for number in (1, 3):
        ended = result.outcomes[number].exception
        assert handlers[number].notes == notes
        assert (type(ended), str(ended)) == (type(expected), str(expected))
    assert [result.outcomes[number].status for number in (0, 2)] == ["ok", "ok"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
