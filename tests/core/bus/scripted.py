"""Handlers that follow a script, and note what they see in the records of the `model`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.core.bus.model import MOST_NESTED, TYPES, VARIABLE, Incomparable, Run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.core.bus.model import Record, Script, World

    from busway import Event, PublishResult


class Scripted:
    """A handler that follows its script."""

    def __init__(self, world: World, types: list[Any], script: Script) -> None:
        self.world, self.event_types, self.script = world, types, script
        kinds = {"async": self._run, "sync": self._run_sync, "awaitable": self._give_run}
        self.handle: Callable[[Event], object] = kinds[script.kind]

    def __repr__(self) -> str:
        return f"<{self.event_types} {self.script}>"

    def _begin(self, event: Event) -> tuple[Record, Run]:
        world = self.world
        record = world.records[event.payload["record"]]
        task = asyncio.current_task()
        for one in record.runs:
            world.expect(one.ended or one.waits, "one is started while another runs")
        for other in (run for one in world.records for run in one.runs):
            world.expect(not other.slept or other.tasks[0] is not task, "a task is shared")
        run = Run(self, VARIABLE.get(), [task])
        record.runs.append(run)
        return record, run

    def _give_run(self, event: Event) -> Awaitable[object]:
        return self._run(event)

    def _run_sync(self, event: Event) -> object:
        _, run = self._begin(event)
        try:
            for action in (one for one in self.script.before if one != "publish"):
                self._act(action, run, event)
            if self.script.cancels_itself:
                asyncio.current_task().cancel()
            return self._end(run)
        finally:
            run.ended += 1

    async def _run(self, event: Event) -> object:
        record, run = self._begin(event)
        try:
            await self._act_all(self.script.before, run, event)
            if self.script.cancels_itself:
                asyncio.current_task().cancel()
            for number in range(self.script.suspensions):
                await self._suspend(number, record, run)
            if self.script.suspensions:
                await self._act_all(self.script.after, run, event)
            return self._end(run)
        except BaseException as error:
            run.raised = error
            raise
        finally:
            run.tasks.append(asyncio.current_task())
            run.ended += 1

    async def _suspend(self, number: int, record: Record, run: Run) -> None:
        run.asleep = run.slept = True
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(lambda: future.done() or future.set_result(None))
        try:
            await (asyncio.sleep(0) if number % 2 else future)
        finally:
            run.asleep = False
            run.tasks.append(asyncio.current_task())
            all_started = len(record.runs) == len(record.snapshot)
            self.world.expect(all_started, "one was resumed before all were started")

    async def _act_all(self, actions: tuple[str, ...], run: Run, event: Event) -> None:
        for action in actions:
            if action == "publish":
                run.inner = await self._publish(event, run)
            else:
                self._act(action, run, event)

    def _act(self, action: str, run: Run, event: Event) -> None:
        world = self.world
        target = world.pool[self.script.target % len(world.pool)]
        if action == "set":
            VARIABLE.set(object())
        elif action == "set what cannot be compared":
            VARIABLE.set(Incomparable())
        elif action == "restore":
            VARIABLE.reset(VARIABLE.set(object()))
        elif action == "subscribe":
            world.subscribe(target)
        elif action == "unsubscribe":
            world.unsubscribe(target)
        else:
            world.children.append(asyncio.create_task(self._child(event, VARIABLE.get())))

    async def _child(self, event: Event, value: object) -> None:
        self.world.expect(VARIABLE.get() is value, "a task of a handler lost a contextvar")
        await asyncio.sleep(0)
        await self._publish(event)

    async def _publish(self, event: Event, run: Run | None = None) -> Record | None:
        """Publish an event of the next type, if there is one."""
        world, later = self.world, TYPES[TYPES.index(event.type) + 1 :]
        if not later or len(world.records) > MOST_NESTED:
            return None
        inner = world.admit(later[0], event.payload["number"], cause=event)
        if run is not None:
            run.inner = world.records[-1]

        async def one() -> list[PublishResult]:
            return [await world.bus.publish(inner)]

        return (await world.publish(inner, way=one))[0]

    def _end(self, run: Run) -> object:
        match self.script.ending:
            case "raise":
                run.raised = ValueError()
            case "raise cancelled":
                run.raised = asyncio.CancelledError()
            case "raise group":
                run.raised = BaseExceptionGroup("held", [KeyboardInterrupt()])
            case "return something":
                return object()
        if run.raised is not None:
            raise run.raised
        return None
