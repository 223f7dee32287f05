"""Timeouts, task groups and other ways to structure what a task does, by asyncio.

Each function notes what it sees; it is run as a plain task and as a handler.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, aclosing, suppress
from contextvars import ContextVar
from io import StringIO
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Note: TypeAlias = Callable[[object], None]
    Body: TypeAlias = Callable[[Note], Awaitable[object]]

VARIABLE: ContextVar[str] = ContextVar("test_structured_concurrency", default="outside")


def cancelling() -> int:
    """Of the current task."""
    return asyncio.current_task().cancelling()


async def fails(name: str = "child") -> None:
    """Raises after a turn of the loop."""
    await asyncio.sleep(0)
    raise ValueError(name)


async def waits_for_ever(note: Note) -> None:
    """Notes that it was cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        note("cancelled")
        raise


async def timeout_that_is_caught(note: Note) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01) as limit:
            await asyncio.Event().wait()
    note((limit.expired(), cancelling()))
    await asyncio.sleep(0)
    note("went on")


async def timeout_that_leaves(note: Note) -> None:
    async with asyncio.timeout(0.01):
        await waits_for_ever(note)


async def timeout_of_nothing(note: Note) -> None:
    async with asyncio.timeout(0):
        await waits_for_ever(note)


async def timeout_after_a_suspension(note: Note) -> None:
    await asyncio.sleep(0)
    async with asyncio.timeout(0):
        await waits_for_ever(note)


async def timeout_that_does_not_strike(note: Note) -> None:
    async with asyncio.timeout(60) as limit:
        await asyncio.sleep(0)
    note((limit.expired(), cancelling()))


async def timeout_without_a_wait(note: Note) -> None:
    async with asyncio.timeout(0.001) as limit:
        time.sleep(0.002)
    note(limit.expired())
    await asyncio.sleep(0.002)
    note(cancelling())


async def timeouts_nested(note: Note) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(60) as outer:
            async with asyncio.timeout(0) as inner:
                await waits_for_ever(note)
    note((outer.expired(), inner.expired(), cancelling()))


async def timeouts_nested_the_other_way(note: Note) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0) as outer:
            async with asyncio.timeout(60) as inner:
                await waits_for_ever(note)
    note((outer.expired(), inner.expired(), cancelling()))


async def timeout_with_cleaning_up(note: Note) -> None:
    async with asyncio.timeout(0):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            note("cleaned up")


async def wait_for_that_is_late(note: Note) -> None:
    await asyncio.wait_for(waits_for_ever(note), 0.01)


async def wait_for_that_is_in_time(note: Note) -> None:
    note(await asyncio.wait_for(asyncio.sleep(0, "in time"), 60))


async def cancels_itself(note: Note) -> None:
    asyncio.current_task().cancel("the reason")
    note(cancelling())
    await asyncio.sleep(0)


async def cancels_itself_and_goes_on(note: Note) -> None:
    asyncio.current_task().cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        note((cancelling(), asyncio.current_task().uncancel()))
    await asyncio.sleep(0)
    note("went on")


async def group(note: Note) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
    note([task.result() for task in tasks])


async def group_whose_child_fails(note: Note) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(waits_for_ever(note))
        group.create_task(fails())
        await waits_for_ever(note)


async def group_whose_body_raises(note: Note) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(waits_for_ever(note))
        await asyncio.sleep(0)
        raise KeyError("body")


async def group_that_is_caught(note: Note) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails("one"))
            group.create_task(fails("two"))
    except* ValueError as caught:
        note([str(error) for error in caught.exceptions])
    await asyncio.sleep(0)
    note(cancelling())


async def group_under_a_timeout(note: Note) -> None:
    async with asyncio.timeout(0.01), asyncio.TaskGroup() as group:
        group.create_task(waits_for_ever(note))


async def group_that_was_cancelled_by_itself(note: Note) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(waits_for_ever(note))
        asyncio.current_task().cancel()


async def gathers(note: Note) -> None:
    told = await asyncio.gather(fails(), asyncio.sleep(0, "slept"), return_exceptions=True)
    note([str(one) for one in told])
    await asyncio.gather(fails(), asyncio.sleep(0))


async def shields(note: Note) -> None:
    inner = asyncio.ensure_future(asyncio.sleep(0.01, "shielded"))
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.shield(inner)
    note(await inner)


async def iterates(note: Note) -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(9):
                await asyncio.sleep(0)
                yield number
        finally:
            await asyncio.sleep(0)
            note("generator closed")

    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.sleep, 0)
        async for number in await stack.enter_async_context(aclosing(numbers())):
            if number == 2:
                break
            note(number)


async def contexts(note: Note) -> None:
    VARIABLE.set("mine")
    note(await asyncio.to_thread(VARIABLE.get))
    token = VARIABLE.set("again")
    await asyncio.sleep(0)
    VARIABLE.reset(token)
    note(VARIABLE.get())


async def looks_around(note: Note) -> None:
    for _ in range(2):
        me = asyncio.current_task()
        note((me in asyncio.all_tasks(), me.done(), cancelling(), isinstance(me, asyncio.Task)))
        note((bool(repr(me)), bool(me.get_name()), me.get_loop() is asyncio.get_running_loop()))
        me.print_stack(file=StringIO())
        await asyncio.sleep(0)


BODIES: Final[tuple[Body, ...]] = (
    timeout_that_is_caught,
    timeout_that_leaves,
    timeout_of_nothing,
    timeout_after_a_suspension,
    timeout_that_does_not_strike,
    timeout_without_a_wait,
    timeouts_nested,
    timeouts_nested_the_other_way,
    timeout_with_cleaning_up,
    wait_for_that_is_late,
    wait_for_that_is_in_time,
    cancels_itself,
    cancels_itself_and_goes_on,
    group,
    group_whose_child_fails,
    group_whose_body_raises,
    group_that_is_caught,
    group_under_a_timeout,
    group_that_was_cancelled_by_itself,
    gathers,
    shields,
    iterates,
    contexts,
    looks_around,
)
