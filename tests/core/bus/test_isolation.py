"""Isolation: a handler's exceptions, cancellation and contextvars reach nobody else."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from busway import Event, EventType

VARIABLE: ContextVar[object] = ContextVar("test_isolation", default=None)

RAISED = [
    ValueError,
    asyncio.CancelledError,
    GeneratorExit,
    StopIteration,
    StopAsyncIteration,
    BaseException,
    RecursionError,
    MemoryError,
]


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
@pytest.mark.parametrize("error", RAISED)
async def test_exception_reaches_no_other(bus, hear, error, suspends):
    """Whatever a handler raises, those before and after it run to their end."""
    ended = []

    async def waits(event):
        await asyncio.sleep(0)
        ended.append("waited")

    async def raises(event):
        if suspends:
            await asyncio.sleep(0)
        raise error

    hear(waits)
    hear(raises)
    hear(waits)
    hear(lambda _: ended.append("sync"))
    result = await bus.publish(Event("user.login"))
    assert sorted(ended) == ["sync", "waited", "waited"]
    assert [one.status == "ok" for one in result.outcomes] == [True, False, True, True]


@pytest.mark.parametrize("error", RAISED)
async def test_exception_of_a_sync_handler_reaches_no_other(bus, hear, error):
    """What a plain function raises is its outcome, too."""
    handled = []

    def raises(event):
        raise error

    hear(raises)
    hear(handled.append)
    result = await bus.publish(Event("user.login"))
    assert ([one.status == "ok" for one in result.outcomes], len(handled)) == ([False, True], 1)


async def test_cancelling_ones_own_task_reaches_no_other(bus, hear):
    """A handler that cancels its own task and waits is cancelled; the others are well."""

    async def cancels(event):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async def waits(event):
        await asyncio.sleep(0)

    hear(waits)
    hear(cancels)
    hear(waits)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["ok", "cancelled", "ok"]
    assert asyncio.current_task().cancelling() == 0


async def test_cancelling_ones_own_task_while_awaiting_a_future(bus, hear, soon):
    """Own cancellation ends a wait for a future, and cancels that future."""
    future = asyncio.get_running_loop().create_future()

    async def cancels(event):
        asyncio.current_task().cancel()
        await future

    hear(cancels)
    result = await soon(bus.publish(Event("user.login")))
    assert ([one.status for one in result.outcomes], future.cancelled()) == (["cancelled"], True)


async def test_suppressed_own_cancellation(bus, hear):
    """A handler that cancels itself and catches that is ok, and the next is not disturbed."""

    async def cancels(event):
        asyncio.current_task().cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()

    async def waits(event):
        await asyncio.sleep(0)

    hear(cancels)
    hear(waits)
    result = await bus.publish(Event("user.login"))
    assert [one.status for one in result.outcomes] == ["ok", "ok"]


async def test_cancelling_handler_leaves_the_publisher_uncancelled(bus, hear):
    """A handler cannot cancel its publisher through its task."""

    async def cancels(event):
        asyncio.current_task().cancel()

    hear(cancels)
    await bus.publish(Event("user.login"))
    await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
async def test_contextvars_reach_no_sibling(bus, hear, suspends):
    """What a handler sets in its context is unseen by the others, before and after it."""
    seen = []

    async def sets(event):
        if suspends:
            await asyncio.sleep(0)
        seen.append(VARIABLE.get())
        VARIABLE.set("mine")

    for _ in range(3):
        hear(sets)
    await bus.publish(Event("user.login"))
    assert seen == [None, None, None]


async def test_contextvars_of_sync_handlers(bus, hear):
    """Sync handlers' contextvars are their own, too."""
    seen = []

    def sets(event):
        seen.append(VARIABLE.get())
        VARIABLE.set("mine")

    for _ in range(3):
        hear(sets)
    await bus.publish(Event("user.login"))
    assert seen == [None, None, None]


async def test_contextvars_reach_no_publisher(bus, hear):
    """What handlers set is unseen by the publisher."""

    async def sets(event):
        VARIABLE.set("theirs")

    hear(sets)
    hear(lambda _: VARIABLE.set("theirs"))
    VARIABLE.set("the publisher's")
    await bus.publish(Event("user.login"))
    assert VARIABLE.get() == "the publisher's"


async def test_handlers_see_the_publishers_contextvars(bus, hear):
    """Handlers start with the publisher's context."""
    seen = []

    async def sees(event):
        seen.append(VARIABLE.get())
        VARIABLE.set("mine")

    hear(sees)
    hear(lambda _: seen.append(VARIABLE.get()))
    VARIABLE.set("the publisher's")
    await bus.publish(Event("user.login"))
    assert seen == ["the publisher's", "the publisher's"]


async def test_own_contextvar_is_kept_over_suspensions(bus, hear):
    """What a handler sets before it waits, it finds afterwards."""
    seen = []

    async def sets(event):
        VARIABLE.set(event.source)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append(VARIABLE.get())

    hear(sets)
    await asyncio.gather(
        bus.publish(Event("user.login", source="a")), bus.publish(Event("user.login", source="b"))
    )
    assert sorted(seen) == ["a", "b"]


async def test_token_can_be_reset_after_a_suspension(bus, hear):
    """A token taken before a wait is good afterwards: the context is one."""

    async def sets(event):
        token = VARIABLE.set("mine")
        await asyncio.sleep(0)
        VARIABLE.reset(token)

    hear(sets)
    assert (await bus.publish(Event("user.login"))).errors == ()


class Incomparable:
    """Comparing it raises."""

    def __eq__(self, other):
        raise RuntimeError("compare me not")

    __hash__ = object.__hash__


async def test_contextvar_whose_comparison_raises(bus, hear):
    """A value that cannot be compared counts as changed: it reaches no other handler."""
    seen = []

    def sets(event):
        seen.append(VARIABLE.get())
        VARIABLE.set(Incomparable())

    VARIABLE.set(Incomparable())
    before = VARIABLE.get()
    hear(sets)
    hear(sets)
    result = await bus.publish(Event("user.login"))
    assert (seen[0] is before, seen[1] is before, result.ok) == (True, True, True)


async def test_handler_that_fails_leaves_no_contextvar(bus, hear):
    """What a handler that failed had set is unseen, too."""
    seen = []

    async def sets(event):
        seen.append(VARIABLE.get())
        VARIABLE.set("mine")
        raise ValueError

    hear(sets)
    hear(sets)
    await bus.publish(Event("user.login"))
    assert seen == [None, None]


async def test_contextvars_between_the_events_of_publish_many(bus, hear):
    """What is set while one event is handled is unseen while the next is."""
    seen = []

    def sets(event):
        seen.append(VARIABLE.get())
        VARIABLE.set(event.id)

    hear(sets)
    await bus.publish_many([Event("user.login"), Event("user.login")])
    assert seen == [None, None]


async def test_current_task_is_never_the_publishers(bus, hear):
    """`current_task()` in a handler, sync or not, is not the publisher's."""
    tasks = []

    async def handle(event):
        tasks.append(asyncio.current_task())

    hear(handle)
    hear(lambda _: tasks.append(asyncio.current_task()))
    await bus.publish(Event("user.login"))
    assert [isinstance(task, asyncio.Task) for task in tasks] == [True, True]
    assert asyncio.current_task() not in tasks


async def test_current_task_is_one_throughout_a_handle(bus, hear):
    """`current_task()` is the same before and after each suspension."""
    tasks = []

    async def handle(event):
        for _ in range(3):
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)
        tasks.append(asyncio.current_task())

    hear(handle)
    await bus.publish(Event("user.login"))
    assert (len(tasks), len(set(tasks))) == (4, 1)


async def test_publishers_task_is_current_again(bus, hear):
    """After `publish` the publisher's task is the current one, as before."""
    before = asyncio.current_task()
    seen = []

    async def nested(event):
        mine = asyncio.current_task()
        await bus.publish(Event("user.logout"))
        seen.append(asyncio.current_task() is mine)

    hear(nested, EventType.USER_LOGIN)
    hear(lambda _: None, EventType.USER_LOGOUT)
    await bus.publish(Event("user.login"))
    assert (asyncio.current_task(), seen) == (before, [True])


async def test_handler_that_suspends_shares_its_task_with_no_later_one(bus, hear):
    """A handler that suspends is the last its task runs."""
    tasks = []

    async def waits(event):
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)

    for _ in range(3):
        hear(waits)
    hear(lambda _: tasks.append(asyncio.current_task()))
    await bus.publish(Event("user.login"))
    assert len(set(tasks)) == 4


async def test_no_task_is_left(bus, hear):
    """When `publish` returns, no task of its handlers is among `all_tasks()`."""
    before = asyncio.all_tasks()

    async def waits(event):
        await asyncio.sleep(0)

    hear(waits)
    hear(lambda _: VARIABLE.set("mine"))
    hear(lambda _: None)
    await bus.publish(Event("user.login"))
    assert asyncio.all_tasks() == before


async def test_running_handler_is_among_all_tasks(bus, hear):
    """The task of a handler that runs is among `all_tasks()`, waiting or not."""
    found = []

    async def looks(event):
        found.append(asyncio.current_task() in asyncio.all_tasks())
        await asyncio.sleep(0)
        found.append(asyncio.current_task() in asyncio.all_tasks())

    hear(looks)
    await bus.publish(Event("user.login"))
    assert found == [True, True]


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
async def test_timeout_inside_a_handler(bus, hear, soon, suspends):
    """`asyncio.timeout` works inside a handler: it hits that handler, and only there."""

    async def limited(event):
        if suspends:
            await asyncio.sleep(0)
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    async def waits(event):
        await asyncio.sleep(0)

    hear(limited)
    hear(waits)
    result = await soon(bus.publish(Event("user.login")))
    assert [type(one) for one in result.errors] == [TimeoutError]
    assert result.outcomes[1].status == "ok"


async def test_timeout_that_is_over_already(bus, hear, soon):
    """A timeout of no time at all ends the handler's first wait."""

    async def limited(event):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    hear(limited)
    result = await soon(bus.publish(Event("user.login")))
    assert [type(one) for one in result.errors] == [TimeoutError]


async def test_timeout_that_does_not_strike(bus, hear):
    """A handler within its time limit is ok, and so is the next."""

    async def limited(event):
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            pass

    hear(limited)
    hear(limited)
    assert (await bus.publish(Event("user.login"))).errors == ()


async def test_wait_for_inside_a_handler(bus, hear, soon):
    """`asyncio.wait_for` works inside a handler."""

    async def limited(event):
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)

    hear(limited)
    result = await soon(bus.publish(Event("user.login")))
    assert [type(one) for one in result.errors] == [TimeoutError]


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
async def test_task_group_inside_a_handler(bus, hear, soon, suspends):
    """A task group works inside a handler: its children run, and are awaited."""
    done = []

    async def child(name):
        await asyncio.sleep(0)
        done.append(name)

    async def groups(event):
        if suspends:
            await asyncio.sleep(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(child("a"))
            group.create_task(child("b"))

    hear(groups)
    result = await soon(bus.publish(Event("user.login")))
    assert (result.ok, done) == (True, ["a", "b"])


async def test_task_group_that_fails_inside_a_handler(bus, hear, soon):
    """A task group whose child fails ends its handler by the group's ExceptionGroup."""

    async def child():
        raise ValueError("child")

    async def groups(event):
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            await asyncio.Event().wait()

    async def waits(event):
        await asyncio.sleep(0)

    hear(groups)
    hear(waits)
    result = await soon(bus.publish(Event("user.login")))
    assert [one.status for one in result.outcomes] == ["failed", "ok"]
    assert [type(one) for one in result.errors[0].exceptions] == [ValueError]


async def test_shield_inside_a_handler(bus, hear, soon):
    """What a handler shields goes on when the handler is cancelled."""
    gate, done = asyncio.Event(), asyncio.Event()

    async def precious():
        await gate.wait()
        done.set()

    async def shields(event):
        await asyncio.shield(precious())

    hear(shields)
    task = asyncio.create_task(bus.publish(Event("user.login")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    gate.set()
    await soon(done.wait())
    assert task.cancelled()


INTERRUPTS = [KeyboardInterrupt, SystemExit]


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
@pytest.mark.parametrize("error", INTERRUPTS)
async def test_interrupt_leaves_publish(bus, hear, error, suspends):
    """KeyboardInterrupt and SystemExit from a handler leave `publish`, the very object."""
    raised = error("now")

    async def raises(event):
        if suspends:
            await asyncio.sleep(0)
        raise raised

    hear(raises)
    with pytest.raises(error) as caught:
        await bus.publish(Event("user.login"))
    assert caught.value is raised
    assert await bus.drain(0) == []


@pytest.mark.parametrize("error", INTERRUPTS)
async def test_interrupt_of_a_sync_handler(bus, hear, error):
    """They leave `publish` from a sync handler, too."""

    def raises(event):
        raise error

    hear(raises)
    with pytest.raises(error):
        await bus.publish(Event("user.login"))


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "after suspension"])
@pytest.mark.parametrize("error", INTERRUPTS)
async def test_interrupt_cancels_and_awaits_the_others(bus, hear, soon, error, suspends):
    """The other handlers are cancelled, and have ended their cleaning up before it leaves."""
    ended = []

    async def cleans(event):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            ended.append("cleaned")

    async def raises(event):
        if suspends:
            await asyncio.sleep(0)
        raise error

    hear(cleans)
    hear(raises)
    with pytest.raises(error):
        await soon(bus.publish(Event("user.login")))
    assert ended == ["cleaned"]
    assert asyncio.all_tasks() <= {asyncio.current_task()}


@pytest.mark.parametrize("error", INTERRUPTS)
async def test_interrupt_after_suspension_with_later_handlers(bus, hear, soon, error):
    """Handlers after the one that is interrupted are cancelled, too, if they wait still."""
    ended = []

    async def raises(event):
        await asyncio.sleep(0)
        raise error

    async def cleans(event):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned")

    hear(raises)
    hear(cleans)
    with pytest.raises(error):
        await soon(bus.publish(Event("user.login")))
    assert ended == ["cleaned"]


async def test_interrupt_before_others_are_started(bus, hear):
    """Handlers that have not been started when it comes are left out."""
    started = []

    def raises(event):
        raise KeyboardInterrupt

    hear(lambda _: started.append("before"))
    hear(raises)
    for _ in range(3):
        hear(lambda _: started.append("after"))
    with pytest.raises(KeyboardInterrupt):
        await bus.publish(Event("user.login"))
    assert started == ["before"]


async def test_interrupt_leaves_nested_publishes(bus, hear):
    """It leaves the inner publish, the handler that awaits it, and the outer publish."""
    passed = []

    async def outer(event):
        try:
            await bus.publish(Event("user.logout"))
        except SystemExit:
            passed.append("outer handler")
            raise

    def inner(event):
        raise SystemExit(3)

    hear(outer, EventType.USER_LOGIN)
    hear(inner, EventType.USER_LOGOUT)
    with pytest.raises(SystemExit) as caught:
        await bus.publish(Event("user.login"))
    assert (caught.value.code, passed) == (3, ["outer handler"])


async def test_interrupt_leaves_publish_many(bus, hear):
    """It leaves `publish_many`, and events not begun are left out."""
    handled = []

    def raises(event):
        handled.append(event.source)
        if event.source == "b":
            raise KeyboardInterrupt

    hear(raises)
    with pytest.raises(KeyboardInterrupt):
        await bus.publish_many([Event("user.login", source=one) for one in "abc"])
    assert handled == ["a", "b"]
    assert await bus.drain(0) == []


async def test_interrupt_leaves_deliver(bus, hear):
    """It leaves `deliver`."""

    def raises(event):
        raise SystemExit

    handler = hear(raises)
    with pytest.raises(SystemExit):
        await bus.deliver(Event("user.login"), handler)


async def test_interrupt_and_a_handler_that_will_not_be_cancelled(bus, hear, soon):
    """A handler that suppresses its cancellation is awaited all the same."""
    ended = []

    async def stubborn(event):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            ended.append("stubborn")

    async def raises(event):
        await asyncio.sleep(0)
        raise KeyboardInterrupt

    hear(stubborn)
    hear(raises)
    with pytest.raises(KeyboardInterrupt):
        await soon(bus.publish(Event("user.login")))
    assert ended == ["stubborn"]


async def test_group_that_holds_an_interrupt_is_an_outcome(bus, hear):
    """Whatever else a handler raises is its outcome, a group of interrupts too."""
    group = BaseExceptionGroup("held", [KeyboardInterrupt()])

    def raises(event):
        raise group

    hear(raises)
    result = await bus.publish(Event("user.login"))
    assert result.outcomes[0].exception is group


async def test_cancelling_the_task_of_a_handler_from_outside(bus, hear, soon):
    """Cancelling the task of one handler cancels that handler alone."""
    tasks = {}

    async def waits(event):
        tasks["waits"] = asyncio.current_task()
        await asyncio.Event().wait()

    async def cancels(event):
        await asyncio.sleep(0)
        tasks["waits"].cancel()

    hear(waits)
    hear(cancels)
    hear(lambda _: None)
    result = await soon(bus.publish(Event("user.login")))
    assert [one.status for one in result.outcomes] == ["cancelled", "ok", "ok"]


async def test_cancelling_a_sibling_before_the_loop_turns(bus, hear, soon):
    """A waiting handler can be cancelled at once by the next; message and future as in a task."""
    caught, tasks = [], []
    future = asyncio.get_running_loop().create_future()

    async def waits(event):
        tasks.append(asyncio.current_task())
        try:
            await future
        except asyncio.CancelledError as error:
            caught.extend(error.args)
            raise

    hear(waits)
    hear(lambda _: tasks[0].cancel("the reason"))
    result = await soon(bus.publish(Event("user.login")))
    assert [one.status for one in result.outcomes] == ["cancelled", "ok"]
    assert (future.cancelled(), caught) == (True, ["the reason"])
