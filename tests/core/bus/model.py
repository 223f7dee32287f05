"""A sequential model of the bus, for the stateful machine; `scripted` has the handlers.

The model is two lists: who is subscribed, and which gates (middleware) there are. Whoever changes
the bus, a rule of the machine or a handler in the midst of a dispatch, changes the model in the
same breath, so at every publish the model says which handlers it must reach, in which order.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from busway import ANY, Event, EventBus, EventType, HandlerOutcome, MiddlewareError, PublishResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.core.bus.scripted import Scripted

VARIABLE: ContextVar[object] = ContextVar("test_bus_machine", default=None)

TYPES: Final = (EventType.USER_LOGIN, EventType.USER_CREATED, EventType.USER_UPDATED)
"""A handler publishes events of the type after its own event's, so nesting comes to an end."""

MOST_NESTED: Final = 20
"""Publishes that handlers make in one step of the machine, at most."""

ENDINGS: Final = {
    "return": "ok",
    "return something": "ok",
    "raise": "failed",
    "raise cancelled": "cancelled",
    "raise group": "failed",
}


class Incomparable:
    """The value of a contextvar that cannot be compared with another."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compare me not")

    __hash__ = None


@dataclass(frozen=True)
class Script:
    """What a handler does, in this order; one that is sync neither suspends nor publishes."""

    kind: str
    before: tuple[str, ...]
    cancels_itself: bool
    suspensions: int
    after: tuple[str, ...]
    ending: str
    target: int

    @property
    def status(self) -> str:
        """How it ends: a cancellation strikes at the next suspension, if there is one."""
        struck = self.cancels_itself and self.suspensions > 0 and self.kind != "sync"
        return "cancelled" if struck else ENDINGS[self.ending]


@dataclass(frozen=True)
class Gate:
    """Middleware: acts on events with its number, lets the others pass."""

    kind: str
    number: int

    def __call__(self, event: Event) -> Event | None:
        if event.payload["number"] != self.number or self.kind == "pass":
            return event
        if self.kind == "raise":
            raise ValueError
        if self.kind == "stop":
            return None
        type_ = TYPES[-1] if self.kind == "redirect" else event.type
        return event.replace(type=type_, source=event.source + self.kind)


@dataclass(eq=False)
class Run:
    """One run of one handler."""

    handler: Scripted
    found: object
    tasks: list[asyncio.Task[Any] | None]
    asleep: bool = False
    slept: bool = False
    ended: int = 0
    inner: Record | None = None
    raised: BaseException | None = None

    @property
    def waits(self) -> bool:
        """Whether it is suspended: by itself, or in a publish of its own."""
        inner = self.inner.runs if self.inner else ()
        return self.asleep or any(one.waits for one in inner if not one.ended)


@dataclass(eq=False)
class Record:
    """One event that was published: what the model says, and what was seen."""

    snapshot: list[Scripted]
    blocked_by: Gate | None
    type: EventType
    source: str
    causation_id: str | None
    value: object
    publisher: asyncio.Task[Any] | None
    runs: list[Run] = field(default_factory=list)
    result: PublishResult | HandlerOutcome | MiddlewareError | None = None

    def check(self) -> None:
        """That each handler of the snapshot ran once, in order, isolated, with its own outcome."""
        if self.blocked_by is not None:
            told = self.result
            by = told.middleware if isinstance(told, MiddlewareError) else told.blocked_by
            assert (by, self.runs) == (self.blocked_by, [])
            assert isinstance(told, MiddlewareError) is (self.blocked_by.kind == "raise")
            return
        assert [id(run.handler) for run in self.runs] == [id(one) for one in self.snapshot]
        outcomes = (self.result,)
        if isinstance(self.result, PublishResult):
            outcomes, event = self.result.outcomes, self.result.event
            assert (event.type, event.source) == (self.type, self.source)
            assert event.causation_id == self.causation_id
        assert [one.handler for one in outcomes] == self.snapshot
        assert [one.status for one in outcomes] == [one.script.status for one in self.snapshot]
        for run, outcome in zip(self.runs, outcomes, strict=True):
            assert outcome.exception is run.raised
            assert run.ended == 1
            assert run.found is self.value, "a contextvar leaked"
            assert len(set(run.tasks)) == 1, "its task changed"
            assert isinstance(run.tasks[0], asyncio.Task)
            assert run.tasks[0] is not self.publisher


class World:
    """A bus, its model, and all that was seen in one step of the machine."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self.pool: list[Scripted] = []
        self.handlers: list[Scripted] = []
        self.gates: list[Gate] = []
        self.forget()

    def forget(self) -> None:
        self.records: list[Record] = []
        self.children: list[asyncio.Task[None]] = []
        self.problems: list[str] = []

    def running(self) -> set[asyncio.Task[Any] | None]:
        """The tasks of the handlers that have not ended: of what a handler's task publishes."""
        runs = [run for record in self.records for run in record.runs]
        return {run.tasks[0] for run in runs if not run.ended}

    def subscribe(self, handler: Scripted) -> None:
        self.bus.subscribe(handler)
        if all(one is not handler for one in self.handlers):
            self.handlers.append(handler)

    def unsubscribe(self, handler: Scripted) -> None:
        there = any(one is handler for one in self.handlers)
        self.expect(self.bus.unsubscribe(handler) is there, "unsubscribe told a lie")
        self.handlers = [one for one in self.handlers if one is not handler]

    def expect(self, holds: bool, problem: str) -> None:
        """Note a problem; to raise it inside a handler would only be an outcome."""
        if not holds:
            self.problems.append(problem)

    def admit(
        self,
        type_: EventType,
        number: int,
        *,
        only: Scripted | None = None,
        cause: Event | None = None,
    ) -> Event:
        """An event, and the record of what the model says of it."""
        event = Event(type_, {"record": len(self.records), "number": number})
        blocked_by, source = None, ""
        for gate in () if only else self.gates:
            if gate.number != number or gate.kind == "pass":
                continue
            if gate.kind in ("stop", "raise"):
                blocked_by = gate
                break
            type_ = TYPES[-1] if gate.kind == "redirect" else type_
            source += gate.kind
        wanted = [one for one in self.handlers if {type_, ANY} & set(one.event_types)]
        snapshot = [only] if only else wanted
        me, value = asyncio.current_task(), VARIABLE.get()
        caused_by = cause.id if cause else None
        self.records.append(Record(snapshot, blocked_by, type_, source, caused_by, value, me))
        return event

    async def publish(self, *events: Event, way: Callable[..., Awaitable[Any]]) -> list[Record]:
        """Publish in that way, and see to it that the publisher is as it was."""
        records = [self.records[event.payload["record"]] for event in events]
        me, value = asyncio.current_task(), VARIABLE.get()
        cancelling = me.cancelling()
        try:
            results = await way()
        except MiddlewareError as error:
            results = [error] * len(records)
        finally:
            self.expect(asyncio.current_task() is me, "another task is current")
            self.expect(VARIABLE.get() is value, "a contextvar reached the publisher")
            self.expect(me.cancelling() == cancelling, "the publisher's cancelling() changed")
        for record, result in zip(records, results, strict=True):
            record.result = result
        return records
