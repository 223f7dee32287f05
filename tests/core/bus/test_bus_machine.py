"""A stateful machine for the bus: every way to publish, in any order, beside a sequential model."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.core.bus.model import ENDINGS, TYPES, VARIABLE, Gate, Script, World
from tests.core.bus.scripted import Scripted

from busway import ANY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from busway import Event

MOST_HANDLERS = 7

ACTIONS = ["set", "set what cannot be compared", "restore"]
ACTIONS += ["subscribe", "unsubscribe", "publish", "spawn"]

actions = st.lists(st.sampled_from(ACTIONS), max_size=3).map(tuple)
scripts = st.builds(
    Script,
    kind=st.sampled_from(["async", "async", "sync", "awaitable"]),
    before=actions,
    cancels_itself=st.sampled_from([False, False, False, True]),
    suspensions=st.integers(0, 3),
    after=actions,
    ending=st.sampled_from([*ENDINGS]),
    target=st.integers(0, MOST_HANDLERS - 1),
)
gates = st.builds(
    Gate, st.sampled_from(["pass", "change", "redirect", "stop", "raise"]), st.integers(0, 3)
)
numbers = st.integers(0, 5)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are many, and the log of them is not what is tested."""
    monkeypatch.setattr(logging.getLogger("busway.delivery"), "disabled", True)


class Bus(RuleBasedStateMachine):
    """The bus on one loop, beside its model; what is seen is compared after every rule."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.told: list[dict[str, Any]] = []
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.runner.get_loop().set_exception_handler(lambda _, context: self.told.append(context))

    def teardown(self) -> None:
        self.runner.close()

    def run(self, publish: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Run a publisher in a task of its own, wait for what handlers spawned, look at it all."""

        async def main() -> None:
            me, before = asyncio.current_task(), object()
            VARIABLE.set(before)
            await publish()
            assert VARIABLE.get() is before
            assert me.cancelling() == 0
            left = asyncio.all_tasks() - {me, *self.world.children}
            assert left <= self.world.running(), "a task is left behind"
            while children := [one for one in self.world.children if not one.done()]:
                await asyncio.wait(children)
            for child in self.world.children:
                child.result()
            assert asyncio.all_tasks() == {me}, "a task is left behind"
            assert await self.world.bus.drain(0) == []

        self.world.forget()
        self.runner.run(main())
        assert (self.world.problems, self.told) == ([], [])
        for record in self.world.records:
            record.check()

    def publish_each(self, *chosen: tuple[Any, int]) -> None:
        """One publish after another, without a turn of the loop in between."""

        async def publish() -> None:
            for type_, number in chosen:
                event = self.world.admit(type_, number)
                await self.world.publish(event, way=_one(self.world.bus.publish, event))

        self.run(publish)

    @precondition(lambda self: len(self.world.pool) < MOST_HANDLERS)
    @rule(
        types=st.lists(st.sampled_from([*TYPES, ANY]), min_size=1, max_size=2),
        script=scripts,
    )
    def subscribe(self, types: list[Any], script: Script) -> None:
        """A new handler goes last."""
        self.world.pool.append(Scripted(self.world, types, script))
        self.world.subscribe(self.world.pool[-1])

    @precondition(lambda self: self.world.pool)
    @rule(data=st.data())
    def subscribe_again(self, data: st.DataObject) -> None:
        """One that is there stays where it is; one that left goes last."""
        self.world.subscribe(data.draw(st.sampled_from(self.world.pool)))

    @precondition(lambda self: self.world.pool)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        """One that is there is gone; one that is not is told so."""
        self.world.unsubscribe(data.draw(st.sampled_from(self.world.pool)))
        assert self.world.problems == []

    @precondition(lambda self: len(self.world.gates) < 3)
    @rule(gate=gates)
    def add_middleware(self, gate: Gate) -> None:
        """Middleware goes last."""
        self.world.bus.add_middleware(gate)
        self.world.gates.append(gate)

    @precondition(lambda self: self.world.gates)
    @rule(data=st.data())
    def remove_middleware(self, data: st.DataObject) -> None:
        """The first that equals it is gone."""
        gate = data.draw(st.sampled_from(self.world.gates))
        assert self.world.bus.remove_middleware(gate) is True
        self.world.gates.remove(gate)

    @rule(type_=st.sampled_from(TYPES), number=numbers)
    def publish(self, type_: Any, number: int) -> None:
        """One event."""
        self.publish_each((type_, number))

    @rule(chosen=st.lists(st.tuples(st.sampled_from(TYPES), numbers), max_size=4))
    def publish_one_after_another(self, chosen: list[tuple[Any, int]]) -> None:
        """Several events, each when the last has been handled."""
        self.publish_each(*chosen)

    @rule(chosen=st.lists(st.tuples(st.sampled_from(TYPES), numbers), max_size=4))
    def publish_many(self, chosen: list[tuple[Any, int]]) -> None:
        """Several events at once; if a middleware raises for one, none reaches a handler."""
        world = self.world

        async def publish() -> None:
            events = [world.admit(*one) for one in chosen]
            by = (record.blocked_by for record in world.records)
            raising = next((gate for gate in by if gate and gate.kind == "raise"), None)
            for record in world.records if raising else ():
                record.blocked_by = raising
            await world.publish(*events, way=lambda: world.bus.publish_many(events))

        self.run(publish)

    @precondition(lambda self: self.world.pool)
    @rule(data=st.data(), type_=st.sampled_from(TYPES), number=numbers)
    def deliver(self, data: st.DataObject, type_: Any, number: int) -> None:
        """One event to one handler, subscribed or not, past the middleware."""
        world, handler = self.world, data.draw(st.sampled_from(self.world.pool))

        async def publish() -> None:
            event = world.admit(type_, number, only=handler)
            await world.publish(event, way=_one(world.bus.deliver, event, handler))

        self.run(publish)

    @invariant()
    def lists_are_those_of_the_model(self) -> None:
        """What the bus says of itself is the model."""
        assert self.world.bus.handlers == tuple(self.world.handlers)
        assert self.world.bus.middleware == tuple(self.world.gates)


def _one(publish: Callable[..., Awaitable[Any]], *args: Event | Scripted) -> Callable[..., Any]:
    async def way() -> list[Any]:
        return [await publish(*args)]

    return way


TestBus = Bus.TestCase
TestBus.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
