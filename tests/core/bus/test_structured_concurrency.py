"""Timeouts, task groups and cancel scopes: a handler is as good as a task of its own."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from tests.core.bus import structured, structured_by_anyio
from tests.core.bus.structured import VARIABLE, fails, waits_for_ever
from tests.core.bus.structured_by_anyio import scope_cancelled_without_a_wait

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.core.bus.structured import Body, Note


class Handler:
    """Runs a body, and keeps what it notes."""

    event_types = (EventType.USER_LOGIN,)

    def __init__(self, body: Body) -> None:
        self.body = body
        self.notes: list[object] = []

    async def handle(self, event: Event) -> None:
        await self.body(self.notes.append)


async def returns(note: Note) -> None:
    note("returned")


async def waits(note: Note) -> None:
    await asyncio.sleep(0)
    note("returned")


def describe(error: BaseException | None) -> object:
    """An error's type and texts, down into groups."""
    if isinstance(error, BaseExceptionGroup):
        return type(error), error.message, [describe(one) for one in error.exceptions]
    return type(error), [] if error is None else error.args


async def as_a_task(body: Body) -> tuple[list[object], object]:
    """What it notes, and how it ends, in a task of its own."""
    notes: list[object] = []
    task = asyncio.create_task(body(notes.append))
    await asyncio.wait({task}, timeout=10)
    try:
        task.result()
    except BaseException as error:
        return notes, describe(error)
    return notes, describe(None)


async def nested(bus: EventBus, event: Event) -> Any:
    """Publish from inside a handler."""
    results = []

    class Outer:
        event_types = (EventType.USER_CREATED,)

        async def handle(self, _: Event) -> None:
            results.append(await bus.publish(event))

    with bus.subscribed(Outer()):
        await bus.publish(Event(EventType.USER_CREATED))
    return results[0]


WAYS = {"publish": lambda bus, event: bus.publish(event), "nested": nested}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", [[], [returns], [waits], [scope_cancelled_without_a_wait]])
@pytest.mark.parametrize("body", [*structured.BODIES, *structured_by_anyio.BODIES])
async def test_same_as_a_task(body: Body, before: list[Body], way: str) -> None:
    """As a handler it notes the same and ends the same, and those before and after it are well."""
    bus = EventBus()
    handlers = [Handler(one) for one in (*before, body, returns, body, waits)]
    for handler in handlers:
        bus.subscribe(handler)
    expected = await as_a_task(body)
    me = asyncio.current_task()
    async with asyncio.timeout(10):
        result = await WAYS[way](bus, Event(EventType.USER_LOGIN))
    place = len(before)
    for number in (place, place + 2):
        outcome = result.outcomes[number]
        assert (handlers[number].notes, describe(outcome.exception)) == expected
    assert [handlers[number].notes for number in (place + 1, place + 3)] == [["returned"]] * 2
    others = [one for number, one in enumerate(result.outcomes) if number not in (place, place + 2)]
    assert [one.status for one in others] == ["ok"] * len(others)
    assert (asyncio.current_task() is me, me.cancelling()) == (True, 0)
    assert VARIABLE.get() == "outside"
    assert {one for one in asyncio.all_tasks() if not one.done()} == {me}


async def inside_a_timeout(publish: Callable[[], Any]) -> None:
    async with asyncio.timeout(0.01):
        await publish()


async def inside_a_scope(publish: Callable[[], Any]) -> None:
    with anyio.fail_after(0.01):
        await publish()


async def inside_a_group(publish: Callable[[], Any]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        group.create_task(fails())


async def inside_a_group_of_anyio(publish: Callable[[], Any]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(publish)
        group.start_soon(fails)


@pytest.mark.parametrize(
    ("inside", "raised"),
    [
        (inside_a_timeout, TimeoutError),
        (inside_a_scope, TimeoutError),
        (inside_a_group, ExceptionGroup),
        (inside_a_group_of_anyio, ExceptionGroup),
    ],
)
async def test_publisher(inside: Callable[[Any], Any], raised: type[Exception]) -> None:
    """What ends a publisher early cancels its handlers, which have ended when it raises."""
    bus, handler = EventBus(), Handler(waits_for_ever)
    bus.subscribe(handler)

    async def publisher(publish: Callable[[], Any]) -> int:
        with pytest.raises(raised):
            await inside(publish)
        return structured.cancelling()

    publish = partial(bus.publish, Event(EventType.USER_LOGIN))
    left = await asyncio.create_task(publisher(publish))
    assert handler.notes == ["cancelled"]
    assert await bus.drain(0) == []
    assert left == await asyncio.create_task(publisher(asyncio.Event().wait)), "not as ever"
