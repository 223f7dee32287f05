"""Lanes: run one event, or many, through their handlers, concurrently and isolated.

Handlers share lanes. A lane is a task that takes handlers from one iterator and awaits them one
after another. It is started eagerly: if it comes back done, it has run every handler; if it comes
back waiting, the handler in it has suspended, and the next lane takes over the rest. So a waiting
handler always has a task of its own, and is the last that its task runs, and all of them wait
concurrently.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from operator import length_hint
from typing import TYPE_CHECKING, Final, cast

from busway._eager import EagerTask, start_eagerly
from busway._publication import CURRENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextvars import Context

    from busway._publication import Publication
    from busway.handlers import Call

__all__ = ["Lanes", "dispatch", "dispatch_many"]

_NO_MORE: Final[Iterator[Publication]] = iter(())


def dispatch(publication: Publication) -> Lanes | None:
    """Start every handler that an event reaches, in order.

    Returns:
        What waits for those that have suspended, and knows of those that failed; None if all
        have returned.
    """
    loop = asyncio.get_running_loop()
    context = copy_context()
    if len(publication.snapshot.calls) == 1:
        lane = start_eagerly(_lone(publication, loop), loop, context)
        if lane is not None:
            Lanes(loop, publication).hold(lane)
        return publication.lanes
    lanes = Lanes(loop, publication)
    lane = start_eagerly(_lane(lanes, context), loop, context)
    if lane is not None:
        lanes.hold(lane)
    if length_hint(lanes.rest):
        lanes.start()
    return publication.lanes


def dispatch_many(publications: Iterable[Publication]) -> Lanes:
    """As `dispatch`, of several: all handlers of the first, then all of the second, and so on."""
    more = iter(tuple(publications))
    lanes = Lanes(asyncio.get_running_loop(), next(more), more)
    lanes.start()
    return lanes


class Lanes:
    """The lanes of one `publish` or `publish_many`.

    Attributes:
        loop: the publisher's.
        current: the publication whose calls are being taken.
        rest: its calls that no lane has taken yet.
        seen: the context that they find; None before the first.
        more: the publications that no lane has come to yet.
        running: the lanes that wait; None before the first.
        stopped: the calls that ended by cancellation after the lanes were cancelled: by the
            publisher, the bus's end, or an interrupt; with their publication, by identity.
    """

    __slots__ = (
        "_cancelled",
        "_fatal",
        "_waiter",
        "current",
        "loop",
        "more",
        "rest",
        "running",
        "seen",
        "stopped",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        first: Publication,
        more: Iterator[Publication] = _NO_MORE,
    ) -> None:
        self.loop = loop
        self.current = first
        self.rest = iter(first.snapshot.calls)
        self.seen: Context | None = None
        self.more = more
        self.stopped: frozenset[tuple[Publication, int]] = frozenset()
        self.running: set[asyncio.Task[None]] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._fatal: BaseException | None = None
        self._cancelled = False

    def start(self) -> None:
        """Start every handler, in order; those that do not suspend have ended when it returns."""
        while (length_hint(self.rest) or length_hint(self.more)) and self._fatal is None:
            context = copy_context() if self.seen is None else self.seen.copy()
            lane = start_eagerly(_lane(self, context), self.loop, context)
            if lane is None:
                continue
            if self.running:  # as `hold`, in one call less
                self.current.lanes = self
                self.running.add(lane)
            else:
                self.hold(lane)

    def hold(self, lane: asyncio.Task[None]) -> None:
        """The call that was taken last has suspended, in this lane."""
        self.current.lanes = self
        if self.running is None:
            self.running = set()
        self.running.add(lane)

    def end(self) -> None:
        """The last lane that waited has ended."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, publication: Publication, call: Call, error: BaseException) -> None:
        """A handler has raised; an interrupt stops all that are running."""
        publication.lanes = self
        if publication.exceptions is None:
            publication.exceptions = {}
        publication.exceptions[id(call)] = error
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._fatal = error
            self.cancel()
        elif self._cancelled and isinstance(error, asyncio.CancelledError):
            self.stopped |= {(publication, id(call))}

    async def wait(self) -> None:
        """Wait for the handlers that have suspended.

        Raises:
            KeyboardInterrupt, SystemExit: if a handler raised one; the others were cancelled and
                awaited, and those that had not been started were left out.
            CancelledError: if the publisher is cancelled; the handlers were cancelled and awaited.
            BaseException: the same, of whatever else is thrown in by who drives it by hand.
        """
        thrown: BaseException | None = None
        try:
            while self.running:
                self._waiter = self.loop.create_future()
                try:
                    await self._waiter
                except GeneratorExit:  # whoever closes it does not let it wait
                    self.cancel()
                    raise
                except BaseException as error:  # noqa: BLE001 - raised below
                    thrown = error
                    self.cancel()
            if self._fatal is not None:
                raise self._fatal
            if thrown is not None:
                raise thrown
        finally:
            thrown = None  # it holds this frame by its traceback

    def cancel(self) -> None:
        """Cancel the handlers that are still running; on the lanes' own loop."""
        self._cancelled = True
        for lane in tuple(self.running or ()):
            lane.cancel()


async def _lone(publication: Publication, loop: asyncio.AbstractEventLoop) -> None:
    """The lane of an event's only handler: none comes after it that could see a trace."""
    CURRENT.set(publication)
    (call,) = publication.snapshot.calls
    try:
        await call(publication.event)
    except BaseException as error:  # noqa: BLE001 - whatever it raises is its outcome
        (publication.lanes or Lanes(loop, publication)).fail(publication, call, error)
    lanes = publication.lanes
    if lanes is not None and lanes.running:
        lanes.running.clear()
        lanes.end()


async def _lane(lanes: Lanes, context: Context) -> None:  # noqa: C901 - calls cost time here
    lane = cast("EagerTask", asyncio.current_task(lanes.loop))
    publication: Publication | None = lanes.current
    seen = lanes.seen
    while publication is not None:
        if seen is None:  # else the lane's context is a copy of it
            CURRENT.set(publication)
            lanes.seen = seen = copy_context()
        lane.seen = seen
        event, following = publication.event, None
        try:
            for call in lanes.rest:
                try:
                    await call(event)
                except BaseException as error:  # noqa: BLE001 - whatever it raises is its outcome
                    lanes.fail(publication, call, error)
                    if isinstance(error, (KeyboardInterrupt, SystemExit)):
                        break
                if context != seen:  # it left a trace for the next, or its lane was cut
                    break
            else:
                following = next(lanes.more, None)
                if following is not None:
                    lanes.current, lanes.rest = following, iter(following.snapshot.calls)
        except Exception:  # noqa: BLE001 - a stranger's __eq__ raised, so there is a trace
            following = None
        publication, seen = following, None
    running = lanes.running
    if running:  # itself among them, if it has suspended
        running.discard(lane)
        if not running:
            lanes.end()
