"""Laws of the dispatch, on handlers that do anything in any order."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busway import Event, EventBus, EventType

FIRST: ContextVar[object] = ContextVar("test_dispatch_first", default=None)
SECOND: ContextVar[object] = ContextVar("test_dispatch_second", default=None)

ACTIONS = ("turn", "future", "timer", "set", "set other", "restore", "cancel self", "nested")
ENDINGS = {
    "return": "ok",
    "return odd": "ok",
    "raise": "failed",
    "raise cancelled": "cancelled",
    "raise group": "failed",
    "raise exit": "failed",
}
SUSPENDING = {"turn", "future", "timer"}


@dataclass
class Program:
    """What a handler does: some actions, then an ending; and what came of it."""

    kind: str
    actions: tuple[str, ...]
    ending: str
    runs: list[Run] = field(default_factory=list)

    @property
    def status(self):
        """How it ends if nobody cancels its publisher."""
        cut = False
        for action in self.actions if self.kind != "sync" else ():
            cut = cut or action == "cancel self"
            if cut and action in SUSPENDING:
                return "cancelled"
        return ENDINGS[self.ending]


@dataclass
class Run:
    """One run of a handler: what it saw."""

    found: tuple[object, object]
    tasks: list[asyncio.Task[object] | None]
    suspended: bool = False
    ended: bool = False


class Handler:
    """Runs a program."""

    event_types = (EventType.USER_LOGIN,)

    def __init__(self, program, bus, order):
        self.program, self.bus, self.order = program, bus, order
        if program.kind == "async":

            async def handle(event):
                await self.run(event)

            self.handle = handle
        elif program.kind == "awaitable":
            self.handle = self.run
        else:
            self.handle = self.run_sync

    def begin(self):
        run = Run((FIRST.get(), SECOND.get()), [asyncio.current_task()])
        self.program.runs.append(run)
        self.order.append(self)
        return run

    def run_sync(self, event):
        run = self.begin()
        try:
            for action in self.program.actions:
                if action.startswith("set"):
                    (FIRST if action == "set" else SECOND).set(object())
                elif action == "cancel self":
                    asyncio.current_task().cancel()
            return self.end()
        finally:
            run.tasks.append(asyncio.current_task())
            run.ended = True

    async def run(self, event):
        run = self.begin()
        try:
            for action in self.program.actions:
                await self.act(action, run)
                run.tasks.append(asyncio.current_task())
            return self.end()
        finally:
            run.tasks.append(asyncio.current_task())
            run.ended = True

    async def act(self, action, run):
        loop = asyncio.get_running_loop()
        run.suspended = run.suspended or action in SUSPENDING
        if action == "turn":
            await asyncio.sleep(0)
        elif action in ("future", "timer"):
            future = loop.create_future()
            call = loop.call_soon if action == "future" else (lambda *a: loop.call_later(0, *a))
            call(lambda: future.done() or future.set_result(None))
            await future
        elif action == "set":
            FIRST.set(object())
        elif action == "set other":
            SECOND.set(object())
        elif action == "restore":
            FIRST.reset(FIRST.set(object()))
        elif action == "cancel self":
            asyncio.current_task().cancel()
        else:
            assert (await self.bus.publish(Event(EventType.USER_LOGOUT))).ok

    def end(self):
        match self.program.ending:
            case "return odd":
                return self
            case "raise":
                raise ValueError
            case "raise cancelled":
                raise asyncio.CancelledError
            case "raise group":
                raise BaseExceptionGroup("held", [KeyboardInterrupt()])
            case "raise exit":
                raise GeneratorExit
        return None


programs = st.builds(
    Program,
    st.sampled_from(["async", "sync", "awaitable"]),
    st.lists(st.sampled_from(ACTIONS), max_size=4).map(tuple),
    st.sampled_from([*ENDINGS]),
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """Failures are many, and the log of them is not what is tested."""
    monkeypatch.setattr(logging.getLogger("busway"), "disabled", True)
    monkeypatch.setattr(logging.getLogger("busway.delivery"), "disabled", True)


def run(main):
    """Run on a loop of its own; what the loop was told of is an error."""
    told = []
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: told.append(context))
        result = runner.run(main)
    assert told == []
    return result


def subscribe(bus, sequence):
    """A bus with a handler for each program; the order in which they begin."""
    order = []
    handlers = [Handler(program, bus, order) for program in sequence]
    for handler in handlers:
        bus.subscribe(handler)
    return handlers, order


async def publisher(publish, before):
    """Publish as a task with contextvars of its own, and check what is left of it."""
    me, others = asyncio.current_task(), asyncio.all_tasks()
    FIRST.set(before[0])
    SECOND.set(before[1])
    try:
        result = await publish()
    finally:
        assert asyncio.current_task() is me
        assert (FIRST.get(), SECOND.get()) == before
        assert asyncio.all_tasks() <= others
    assert me.cancelling() == 0
    return me, result


def check_isolation(sequence, me, before, events=1):
    """What holds for the handlers of every publish, however it ended."""
    for program in sequence:
        assert len(program.runs) == events
    runs = [program.runs[number] for number in range(events) for program in sequence]
    for place, one in enumerate(runs):
        assert one.ended
        assert one.found == before
        assert len(set(one.tasks)) == 1
        assert isinstance(one.tasks[0], asyncio.Task)
        assert one.tasks[0] is not me
        if one.suspended:
            assert all(later.tasks[0] is not one.tasks[0] for later in runs[place + 1 :])


@settings(max_examples=150, deadline=None)
@given(st.lists(programs, max_size=8))
def test_publish(sequence):
    """Each handler runs once, in order, isolated, and its outcome is its own."""
    bus, before = EventBus(), (object(), object())
    handlers, order = subscribe(bus, sequence)

    async def main():
        event = Event(EventType.USER_LOGIN)
        me, result = await asyncio.create_task(publisher(lambda: bus.publish(event), before))
        assert await bus.drain(0) == []
        return me, result

    me, result = run(main())
    assert order == handlers
    assert [one.handler for one in result.outcomes] == handlers
    assert [one.status for one in result.outcomes] == [one.status for one in sequence]
    assert result.ok is all(one.status == "ok" for one in sequence)
    assert len(result.errors) == sum(one.status != "ok" for one in sequence)
    check_isolation(sequence, me, before)


@settings(max_examples=150, deadline=None)
@given(st.lists(programs, max_size=5), st.integers(0, 4))
def test_publish_many(sequence, count):
    """So it is for each of several events at once; results are in their order."""
    bus, before = EventBus(), (object(), object())
    handlers, order = subscribe(bus, sequence)
    events = [Event(EventType.USER_LOGIN) for _ in range(count)]

    async def main():
        me, results = await asyncio.create_task(publisher(lambda: bus.publish_many(events), before))
        assert await bus.drain(0) == []
        return me, results

    me, results = run(main())
    assert order == handlers * count
    assert [one.event for one in results] == events
    for result in results:
        assert [one.status for one in result.outcomes] == [one.status for one in sequence]
    check_isolation(sequence, me, before, events=count)


@settings(max_examples=150, deadline=None)
@given(st.lists(programs, max_size=6), st.integers(0, 8))
def test_publish_that_is_cancelled(sequence, turn):
    """Cancelled at any turn: all handlers were started and have ended when it propagates."""
    bus, before = EventBus(), (object(), object())
    handlers, order = subscribe(bus, sequence)

    async def main():
        event, published = Event(EventType.USER_LOGIN), []

        async def publish():
            published.append(event)
            return await bus.publish(event)

        task = asyncio.create_task(publisher(publish, before))
        for _ in range(turn):
            await asyncio.sleep(0)
        cancelled = task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() is cancelled
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await bus.drain(0) == []
        return task, bool(published), None if cancelled else task.result()[1]

    task, published, result = run(main())
    assert order == (handlers if published else [])
    check_isolation(sequence, task, before, events=int(published))
    if result is not None:
        assert [one.status for one in result.outcomes] == [one.status for one in sequence]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(programs, max_size=3), min_size=2, max_size=4))
def test_publishes_at_once(sequences):
    """Publishes at once on one loop, each on a bus of its own, do not disturb each other."""
    before = (object(), object())
    buses = [EventBus() for _ in sequences]
    prepared = [subscribe(bus, one) for bus, one in zip(buses, sequences, strict=True)]

    async def main():
        results = []

        async def one(bus):
            FIRST.set(before[0])
            SECOND.set(before[1])
            results.append((bus, await bus.publish(Event(EventType.USER_LOGIN))))
            assert (FIRST.get(), SECOND.get()) == before

        await asyncio.gather(*[one(bus) for bus in buses])
        return dict(results)

    results = run(main())
    for bus, sequence, (handlers, order) in zip(buses, sequences, prepared, strict=True):
        assert order == handlers
        assert [one.status for one in results[bus].outcomes] == [one.status for one in sequence]
        check_isolation(sequence, None, before)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(programs, max_size=3), min_size=2, max_size=5))
def test_publishes_one_after_another(sequences):
    """Publishes one after another, the loop turning or not, hand nothing on to the next."""
    before = (object(), object())
    prepared = []
    for sequence in sequences:
        bus = EventBus()
        prepared.append((bus, sequence, *subscribe(bus, sequence)))

    async def main():
        FIRST.set(before[0])
        SECOND.set(before[1])
        results = [await bus.publish(Event(EventType.USER_LOGIN)) for bus, *_ in prepared]
        assert (FIRST.get(), SECOND.get()) == before
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert asyncio.current_task().cancelling() == 0
        return asyncio.current_task(), results

    me, results = run(main())
    for result, (_, sequence, handlers, order) in zip(results, prepared, strict=True):
        assert order == handlers
        assert [one.status for one in result.outcomes] == [one.status for one in sequence]
    check_isolation([program for sequence in sequences for program in sequence], me, before)
