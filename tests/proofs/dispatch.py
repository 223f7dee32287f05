"""Proof of the dispatch: every sequence of up to four handlers, cancelled at every turn.

Handlers behave in one of a few ways each (`BEHAVIOURS`). Every sequence of up to four of them is
published, and so again with the publisher cancelled before it begins and at each of the first
turns of the loop; sequences of up to two by `publish_many`; sequences of up to four of which one
raises an interrupt. Of each run these are checked:

* each handler of the snapshot ran exactly once and ended, in order; its outcome is its own;
* nobody saw a contextvar that a handler set, nor did the publisher;
* `current_task()` was one task throughout a handler, never the publisher's, and that of a handler
  which suspended was no later handler's;
* the publisher was not cancelled by a handler, and if it was from outside, that propagated when
  all handlers had ended;
* no task was left among `all_tasks()`, nothing counted by `drain`, nothing told to the loop's
  exception handler.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextvars import ContextVar
from itertools import product
from typing import TYPE_CHECKING, Final

from busway import Event, EventBus, EventType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence

    Behaviour = Callable[["Trace"], Awaitable[object]]

__all__ = ["pieces", "run", "sample"]

MOST_HANDLERS: Final = 4
LAST_TURN: Final = 6
"""A sequence without `forever` is over by then: the longest handler suspends three times."""

_VARIABLE: ContextVar[str] = ContextVar("proof_of_dispatch")


class Trace:
    """What one handler left of one event."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.started = 0
        self.ended = 0
        self.suspended = False
        self.thrown = 0
        self.found = ""
        self.tasks: list[asyncio.Task[object] | None] = []

    def begin(self) -> None:
        self.started += 1
        self.found = _VARIABLE.get()
        self.world.order.append(self)
        self.look()

    def look(self) -> None:
        self.tasks.append(asyncio.current_task())

    def end(self) -> None:
        self.ended += 1
        self.look()


class World:
    """One run: the traces of its handlers, and what they share."""

    def __init__(self) -> None:
        self.order: list[Trace] = []
        self.traces: list[list[Trace]] = []
        self._shared: asyncio.Future[None] | None = None

    @property
    def shared(self) -> asyncio.Future[None]:
        """One future for all that ask in one run; done two turns later."""
        loop = asyncio.get_running_loop()
        if self._shared is None:
            self._shared = loop.create_future()
            loop.call_soon(loop.call_soon, _resolve, self._shared)
        return self._shared


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _pause(trace: Trace, awaitable: Awaitable[object] | None = None) -> None:
    """Suspend: one turn, or until `awaitable` is done."""
    trace.suspended = True
    try:
        await (asyncio.sleep(0) if awaitable is None else awaitable)
    except asyncio.CancelledError:
        trace.thrown += 1
        raise
    finally:
        trace.look()


def _soon() -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.call_soon(_resolve, future)
    return future


async def _returns(trace: Trace) -> None:
    pass


async def _raises(trace: Trace) -> None:
    raise ValueError


async def _raises_cancelled(trace: Trace) -> None:
    raise asyncio.CancelledError


async def _raises_group(trace: Trace) -> None:
    raise BaseExceptionGroup("proof", [GeneratorExit()])


async def _waits(trace: Trace) -> None:
    await _pause(trace)


async def _waits_long(trace: Trace) -> None:
    await _pause(trace, _soon())
    await _pause(trace)
    await _pause(trace, _soon())


async def _waits_shared(trace: Trace) -> None:
    await _pause(trace, trace.world.shared)


async def _sets(trace: Trace) -> None:
    _VARIABLE.set("a handler's")


async def _restores(trace: Trace) -> None:
    token = _VARIABLE.set("a handler's")
    _VARIABLE.reset(token)


async def _cancels_itself(trace: Trace) -> None:
    _current().cancel()


async def _cancels_itself_and_waits(trace: Trace) -> None:
    _current().cancel()
    await _pause(trace, _soon())


async def _cleans_up(trace: Trace) -> None:
    _VARIABLE.set("a handler's")
    try:
        await _pause(trace)
        await _pause(trace)
    finally:
        await _pause(trace)
    raise ValueError


async def _goes_on(trace: Trace) -> None:
    try:
        await _pause(trace, _soon())
    except asyncio.CancelledError:
        await _pause(trace)


async def _waits_forever(trace: Trace) -> None:
    await _pause(trace, asyncio.get_running_loop().create_future())


async def _interrupts(trace: Trace) -> None:
    raise SystemExit


async def _waits_and_interrupts(trace: Trace) -> None:
    await _pause(trace)
    raise SystemExit


BEHAVIOURS: Final[dict[str, tuple[Behaviour, str]]] = {
    "returns": (_returns, "ok"),
    "sync": (_returns, "ok"),
    "raises": (_raises, "failed"),
    "raises-cancelled": (_raises_cancelled, "cancelled"),
    "raises-group": (_raises_group, "failed"),
    "waits": (_waits, "ok"),
    "waits-long": (_waits_long, "ok"),
    "waits-shared": (_waits_shared, "ok"),
    "awaitable": (_waits, "ok"),
    "sets": (_sets, "ok"),
    "restores": (_restores, "ok"),
    "cancels-itself": (_cancels_itself, "ok"),
    "cancels-itself-and-waits": (_cancels_itself_and_waits, "cancelled"),
    "cleans-up": (_cleans_up, "failed"),
    "goes-on": (_goes_on, "ok"),
}
"""What a handler does, and its status in a publish that is not cancelled."""

INTERRUPTS: Final[dict[str, Behaviour]] = {
    "at-once": _interrupts,
    "after-waiting": _waits_and_interrupts,
}
_FOREVER: Final = "waits-forever"


class Handler:
    """One behaviour; it leaves a trace for each event it is given."""

    event_types = (EventType.USER_LOGIN,)

    def __init__(self, name: str, world: World, place: int) -> None:
        self.name = name
        self._world = world
        self._place = place
        behave = INTERRUPTS.get(name) or (
            _waits_forever if name == _FOREVER else BEHAVIOURS[name][0]
        )
        if name == "sync":
            self.handle: Callable[[Event], object] = self._handle_sync
        elif name == "awaitable":
            self.handle = lambda event: self._handle(behave, event)
        else:

            async def handle(event: Event) -> None:
                await self._handle(behave, event)

            self.handle = handle

    def _handle_sync(self, event: Event) -> None:
        trace = self._trace(event)
        trace.begin()
        trace.end()

    async def _handle(self, behave: Behaviour, event: Event) -> None:
        trace = self._trace(event)
        trace.begin()
        try:
            await behave(trace)
        finally:
            trace.end()

    def _trace(self, event: Event) -> Trace:
        return self._world.traces[event.payload["number"]][self._place]


class Run:
    """One publish of one sequence of handlers, from setting up to what is checked."""

    def __init__(self, names: Sequence[str], events: int = 1) -> None:
        self.names = names
        self.world = World()
        self.world.traces = [[Trace(self.world) for _ in names] for _ in range(events)]
        self.bus = EventBus()
        for place, name in enumerate(names):
            self.bus.subscribe(Handler(name, self.world, place))
        self.events = [Event(EventType.USER_LOGIN, {"number": number}) for number in range(events)]
        self.interrupted = False

    @property
    def traces(self) -> list[Trace]:
        return [trace for traces in self.world.traces for trace in traces]

    async def publish(self) -> list[list[str]]:
        """The publisher: publishes, checks what is left of it, returns the statuses."""
        me = _current()
        others = asyncio.all_tasks() - {me}
        _VARIABLE.set("the publisher's")
        try:
            if len(self.events) == 1:
                results = [await self.bus.publish(self.events[0])]
            else:
                results = await self.bus.publish_many(self.events)
        except SystemExit:  # in a task it would take the loop down
            self.interrupted = True
            results = []
        finally:
            assert _current() is me, "another task is current"
            assert _VARIABLE.get() == "the publisher's", "a contextvar reached the publisher"
            assert asyncio.all_tasks() - {me} <= others, "a task is left"
            for trace in self.traces:
                assert trace.started == trace.ended, "a handler was not awaited"
                assert me not in trace.tasks, "a handler ran in the publisher's task"
        assert me.cancelling() == 0, "a handler cancelled the publisher"
        assert [one.event for one in results] == self.events[: len(results)]
        return [[outcome.status for outcome in one.outcomes] for one in results]

    async def go(self, turn: int | None) -> None:
        """Publish, cancel at that turn if there is one, and check all there is to check."""
        _VARIABLE.set("somebody's")
        publisher = asyncio.create_task(self.publish())
        cancelled = False
        if turn is not None:
            for _ in range(turn):
                await asyncio.sleep(0)
            cancelled = publisher.cancel()
        try:
            async with asyncio.timeout(5):
                await asyncio.wait([publisher])
        except TimeoutError:
            raise AssertionError("it hangs") from None
        assert publisher.cancelled() is cancelled, "the cancellation did not propagate"
        assert await self.bus.drain(0) == [], "an event is still counted"
        if turn == 0:
            assert self.world.order == [], "a handler ran"
            return
        self._check_traces()
        fatal = not INTERRUPTS.keys().isdisjoint(self.names)
        assert self.interrupted is fatal, "an interrupt did not leave publish, or came of nothing"
        if not (cancelled or fatal):
            expected = [BEHAVIOURS[name][1] for name in self.names]
            statuses = publisher.result()
            assert statuses == [expected] * len(self.events), statuses

    def _check_traces(self) -> None:
        traces = self.traces
        ran = [trace for trace in traces if trace.started]
        if "at-once" in self.names:
            assert len(ran) == self.names.index("at-once") + 1, "one was started in spite of it"
        else:
            assert ran == traces, "a handler was left out"
        assert self.world.order == ran == traces[: len(ran)], "not in order, or not once"
        for place, trace in enumerate(ran):
            assert (trace.started, trace.ended) == (1, 1), "not exactly once"
            assert trace.found == "the publisher's", "a contextvar reached a sibling"
            tasks = set(trace.tasks)
            assert len(tasks) == 1, "its task changed"
            assert None not in tasks, "it had no task"
            if trace.suspended:
                shared = [one for one in ran[place + 1 :] if not tasks.isdisjoint(one.tasks)]
                assert shared == [], "one that suspended shares its task with a later one"
            if self.names[place % len(self.names)] == _FOREVER:
                assert trace.thrown >= 1, "it was not cancelled"


def _current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _sequences(names: Sequence[str], first: str | None, most: int) -> Iterator[tuple[str, ...]]:
    """All sequences of up to `most` names; those that begin with `first`, if it is given."""
    for length in range(1, most + 1):
        for sequence in product(names, repeat=length if first is None else length - 1):
            yield sequence if first is None else (first, *sequence)


def _runs(piece: str) -> Iterator[tuple[Run, int | None]]:
    """The runs of a piece."""
    way, what, when = piece.split()
    if way == "interrupt":
        fatal, place = what, int(when)
        for length in range(place + 1, MOST_HANDLERS + 1):
            for others in product(BEHAVIOURS, repeat=length - 1):
                yield Run((*others[:place], fatal, *others[place:])), None
        return
    turn = None if when == "never" else int(when)
    names = [*BEHAVIOURS] if turn is None else [*BEHAVIOURS, _FOREVER]
    if way == "publish_many":
        for sequence in _sequences(names, None, 2):
            yield Run(sequence, events=int(what)), turn
    else:
        for sequence in _sequences(names, what, MOST_HANDLERS):
            yield Run(sequence), turn


async def _go(piece: str) -> dict[str, int]:
    told: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    counts = {"publishes": 0, "handler runs": 0}
    for run_, turn in _runs(piece):
        try:
            await run_.go(turn)
            assert told == [], "the loop was told of an error"
        except AssertionError as error:
            raise AssertionError(f"{piece}: {' '.join(run_.names)}: {error} {told}") from error
        counts["publishes"] += 1
        counts["handler runs"] += len(run_.world.order)
    return counts


_TURNS: Final = [str(turn) for turn in range(LAST_TURN + 1)]


def pieces() -> list[str]:
    """All pieces: way, what, when; a few seconds each."""
    return [
        *(f"publish {name} never" for name in BEHAVIOURS),
        *(f"publish {name} {turn}" for name in [*BEHAVIOURS, _FOREVER] for turn in _TURNS),
        *(f"publish_many {events} {turn}" for events in (2, 3) for turn in ["never", *_TURNS]),
        *(f"interrupt {name} {place}" for name in INTERRUPTS for place in range(MOST_HANDLERS)),
    ]


def run(piece: str) -> dict[str, int]:
    """Run a piece; AssertionError if an invariant does not hold."""
    log = logging.getLogger("busway")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(_guarded(_go(piece)))
    finally:
        log.setLevel(level)


async def _guarded(proof: Coroutine[object, None, dict[str, int]]) -> dict[str, int]:
    """What leaves a proof is an AssertionError, not an interrupt that ends its runner."""
    try:
        return await proof
    except (SystemExit, KeyboardInterrupt) as error:
        raise AssertionError(f"an interrupt reached the loop: {error!r}") from error


def sample(seed: int) -> list[str]:
    """A few pieces: one of each kind."""
    choose = random.Random(seed)
    kinds = ("publish ", "publish_many ", "interrupt ")
    chosen = [choose.choice([one for one in pieces() if one.startswith(kind)]) for kind in kinds]
    return [choose.choice([one for one in pieces() if one.endswith(" never")]), *chosen]
