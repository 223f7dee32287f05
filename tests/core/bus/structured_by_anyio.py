"""Cancel scopes, task groups and the rest of anyio; see `structured`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from tests.core.bus.structured import cancelling, fails, waits_for_ever

if TYPE_CHECKING:
    from tests.core.bus.structured import Body, Note


async def scope_that_moves_on(note: Note) -> None:
    with anyio.move_on_after(0.01) as scope:
        await waits_for_ever(note)
    note((scope.cancelled_caught, cancelling()))
    await anyio.lowlevel.checkpoint()


async def scope_that_fails(note: Note) -> None:
    with anyio.fail_after(0.01):
        await waits_for_ever(note)


async def scope_cancelled_without_a_wait(note: Note) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
    note((scope.cancel_called, scope.cancelled_caught, cancelling()))


async def scope_cancelled_before_a_wait(note: Note) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.lowlevel.checkpoint()
        note("not reached")
    note((scope.cancelled_caught, cancelling()))
    await anyio.sleep(0)


async def scope_strikes_at_every_wait(note: Note) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        for attempt in range(3):
            try:
                await anyio.sleep(0)
            except asyncio.CancelledError:
                note(attempt)
        await anyio.sleep(0)
    note(scope.cancelled_caught)


async def scope_with_a_shield(note: Note) -> None:
    with anyio.move_on_after(0) as scope:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.01)
            note("shielded")
        await anyio.sleep(0)
        note("not reached")
    note(scope.cancelled_caught)


async def scopes_nested(note: Note) -> None:
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as inner:
            outer.cancel()
            await anyio.sleep(0)
        note("not reached")
    note((outer.cancelled_caught, inner.cancelled_caught, cancelling()))


async def scope_and_timeout(note: Note) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            with anyio.move_on_after(60) as scope:
                await waits_for_ever(note)
    note((scope.cancelled_caught, cancelling()))


async def anyio_group(note: Note) -> None:
    async def child(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        task_status.started("ready")
        await waits_for_ever(note)

    async with anyio.create_task_group() as group:
        note(await group.start(child))
        group.start_soon(anyio.sleep, 0)
        group.cancel_scope.cancel()
    note(cancelling())


async def anyio_group_whose_child_fails(note: Note) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(fails)
        await waits_for_ever(note)


async def anyio_threads(note: Note) -> None:
    note(await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(asyncio.sleep, 0, "back")))


async def anyio_streams(note: Note) -> None:
    send, receive = anyio.create_memory_object_stream[int](0)
    async with anyio.create_task_group() as group, send, receive:
        group.start_soon(send.send, 1)
        note(await receive.receive())


async def looks_around_by_anyio(note: Note) -> None:
    for _ in range(2):
        me = anyio.get_current_task()
        note((me in anyio.get_running_tasks(), me.has_pending_cancellation(), bool(repr(me))))
        note(anyio.current_effective_deadline())
        await anyio.sleep(0)


BODIES: Final[tuple[Body, ...]] = (
    scope_that_moves_on,
    scope_that_fails,
    scope_cancelled_without_a_wait,
    scope_cancelled_before_a_wait,
    scope_strikes_at_every_wait,
    scope_with_a_shield,
    scopes_nested,
    scope_and_timeout,
    anyio_group,
    anyio_group_whose_child_fails,
    anyio_threads,
    anyio_streams,
    looks_around_by_anyio,
)
