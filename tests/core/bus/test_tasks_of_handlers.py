"""The tasks that handlers run in: whose they are, and what others may do to them."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    Hear = Callable[..., Any]
    Turns = Callable[[int], Any]

LOGIN, LOGOUT = EventType.USER_LOGIN, EventType.USER_LOGOUT


def statuses(result: Any) -> list[str]:
    return [one.status for one in result.outcomes]


class Keeps:
    """A function for a handler that hands out its task, at once or after it has waited."""

    def __init__(self, waits: int) -> None:
        self.waits = waits
        self.tasks: list[asyncio.Task[Any]] = []

    async def __call__(self, event: Event) -> None:
        self.tasks.append(asyncio.current_task())
        for _ in range(self.waits):
            await asyncio.sleep(0)


async def two_turns(event: Event) -> None:
    """A handler that waits for two turns of the loop."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("waits", [0, 2])
@pytest.mark.parametrize("later", [0, 3])
async def test_task_that_was_kept_and_cancelled_later(
    bus: EventBus, hear: Hear, turns: Turns, waits: int, later: int
) -> None:
    """Cancelling it when the handler has ended reaches nobody: no publish, no publisher."""
    keeps = Keeps(waits)
    hear(keeps)
    hear(two_turns)
    assert statuses(await bus.publish(Event(LOGIN))) == ["ok", "ok"]
    await turns(later)
    keeps.tasks[0].cancel()
    assert statuses(await bus.publish(Event(LOGIN))) == ["ok", "ok"]
    await turns(3)
    assert statuses(await bus.publish(Event(LOGIN))) == ["ok", "ok"]
    assert asyncio.current_task().cancelling() == 0


async def test_task_that_was_kept_is_over(bus: EventBus, hear: Hear, turns: Turns) -> None:
    """The task of a handler that has waited is done, well or not, and tells nothing to the loop."""
    kept, told = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def keeps(event: Event) -> None:
        kept.append(asyncio.current_task())
        await asyncio.sleep(0)
        if event.source:
            raise ValueError

    hear(keeps)
    await bus.publish(Event(LOGIN))
    await bus.publish(Event(LOGIN, source="fails"))
    await turns(2)
    assert [(one.done(), one.cancel()) for one in kept] == [(True, False)] * 2
    kept.clear()
    assert told == []


async def test_task_kept_while_another_publish_waits(
    bus: EventBus, hear: Hear, turns: Turns
) -> None:
    """The kept task of one that waited is no later handler's: cancelling it disturbs none."""
    keeps, gate = Keeps(waits=1), asyncio.Event()
    hear(keeps, LOGIN)
    hear(lambda _: gate.wait(), LOGOUT)
    await bus.publish(Event(LOGIN))
    task = asyncio.create_task(bus.publish(Event(LOGOUT)))
    await turns(1)
    keeps.tasks[0].cancel()
    gate.set()
    assert statuses(await task) == ["ok"]


async def test_sibling_that_has_ended_is_cancelled(bus: EventBus, hear: Hear) -> None:
    """A handler may cancel the task of one before it that has ended: the others are well."""
    keeps = Keeps(waits=0)

    async def cancels(event: Event) -> None:
        keeps.tasks[0].cancel()

    hear(keeps)
    hear(cancels)
    hear(two_turns)
    hear(lambda _: None)
    assert statuses(await bus.publish(Event(LOGIN))) == ["ok"] * 4
    assert asyncio.current_task().cancelling() == 0


async def test_sibling_that_waits_in_a_publish_of_its_own(bus: EventBus, hear: Hear) -> None:
    """Cancelling it cancels the handlers of its publish too, which it awaits; no others."""
    keeps, ended = Keeps(waits=0), []

    async def publishes(event: Event) -> None:
        await keeps(event)
        await bus.publish(Event(LOGOUT))

    async def cancels(event: Event) -> None:
        await asyncio.sleep(0)
        keeps.tasks[0].cancel()

    async def inner(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("inner")

    hear(publishes, LOGIN)
    hear(cancels, LOGIN)
    hear(two_turns, LOGIN)
    hear(inner, LOGOUT)
    assert statuses(await bus.publish(Event(LOGIN))) == ["cancelled", "ok", "ok"]
    assert ended == ["inner"]


async def test_publisher_cancelled_by_a_handler_that_does_not_wait(
    bus: EventBus, hear: Hear
) -> None:
    """Those after it are started; one that waits is cancelled and awaited; then it propagates."""
    ended = []

    async def waits(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    hear(lambda _: task.cancel())
    hear(waits)
    hear(lambda _: ended.append("last"))
    task = asyncio.create_task(bus.publish(Event(LOGIN)))
    await asyncio.wait({task}, timeout=10)
    assert (task.cancelled(), ended) == (True, ["last", "waits"])


async def test_task_names_loop_and_stack_can_be_asked(bus: EventBus, hear: Hear) -> None:
    """What debuggers ask of a task, they may ask of a handler's: before and after it waits."""
    told = []

    async def looks(event: Event) -> None:
        for _ in range(2):
            me = asyncio.current_task()
            me.set_name("mine")
            told.append((me.get_name(), me.done(), me.cancelled(), "mine" in repr(me)))
            assert isinstance(me.get_stack(), list)
            assert me.get_loop() is asyncio.get_running_loop()
            await asyncio.sleep(0)

    hear(looks)
    result = await bus.publish(Event(LOGIN))
    result.raise_for_errors()
    assert told == [("mine", False, False, True)] * 2


async def test_nobody_else_is_current_in_between(bus: EventBus, hear: Hear) -> None:
    """In what the loop calls while handlers wait, no task is the current one."""
    seen = []

    async def waits(event: Event) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    for _ in range(3):
        hear(waits)
    assert (await bus.publish(Event(LOGIN))).ok
    assert seen == [None] * 3


async def test_task_group_of_the_publisher_counts_its_own(bus: EventBus, hear: Hear) -> None:
    """Publishes at once, each from a task of one group, have each their own handlers' tasks."""
    tasks: dict[str, list[Any]] = {}

    async def waits(event: Event) -> None:
        for _ in range(3):
            tasks.setdefault(event.source, []).append(asyncio.current_task())
            await asyncio.sleep(0)

    hear(waits)
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(bus.publish(Event(LOGIN, source=str(number))))
    assert [len(set(one)) for one in tasks.values()] == [1] * 10
    assert len({one for many in tasks.values() for one in many}) == 10


if sys.version_info >= (3, 12):  # 3.11 has no eager tasks

    def eagerly(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        """`asyncio.eager_task_factory`; that of 3.13.0 cannot take what uvloop 0.23 gives it."""
        return asyncio.Task(coroutine, loop=loop, **{**options, "eager_start": True})

    async def test_loop_whose_tasks_are_all_eager(bus: EventBus, hear: Hear) -> None:
        """On a loop with an eager task factory it is all the same."""
        asyncio.get_running_loop().set_task_factory(eagerly)
        ended = []

        async def spawns(event: Event) -> None:
            child = asyncio.create_task(bus.publish(Event(LOGOUT)))
            assert (await child).ok
            ended.append(event.source)

        hear(spawns, LOGIN)
        hear(two_turns, LOGIN)
        hear(two_turns, LOGOUT)
        me = asyncio.current_task()
        awaited = await bus.publish(Event(LOGIN, source="awaited"))
        task = asyncio.create_task(bus.publish(Event(LOGIN, source="task")))
        soon = bus.publish_soon(Event(LOGIN, source="soon"))
        results = [awaited, await task, await soon]
        assert [statuses(one) for one in results] == [["ok", "ok"]] * 3
        assert sorted(ended) == ["awaited", "soon", "task"]
        assert (asyncio.current_task(), asyncio.all_tasks()) == (me, {me})
        assert await bus.drain(0) == []
