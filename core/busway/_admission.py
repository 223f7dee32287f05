"""Admission: which publications are on their way through a bus, and whether more are let in."""

from __future__ import annotations

import asyncio
import enum
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Final

from busway._publication import CURRENT, Publication
from busway.events import Event
from busway.exceptions import BusClosedError, BusOverloadedError, PublishDepthError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Admission", "Doors"]

_LOOK_AGAIN: Final = 0.05
"""Seconds after which `idle` looks whether a publish that has not begun was given up: a task
cancelled before its first step tells nobody."""


class Doors(enum.Enum):
    """Who is let in: all; what descends from live publications or from a `stop`; or nobody."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


_OPEN: Final = Doors.OPEN


class Admission:
    """Counts publications in and out, on whatever loop and thread.

    Attributes:
        doors: who is let in.
        live: the publications that were let in and have not ended, in order. For tests, a dict
            that tells of them as they come and go may be put in its place.
        expired: whether the drain's time is up: what still runs is being cancelled.
    """

    def __init__(self, *, max_depth: int, max_pending: int) -> None:
        self.doors = Doors.OPEN
        self.live: dict[Publication, None] = {}
        self.expired = False
        self._max_depth = max_depth
        self._max_pending = max_pending
        self._pending: set[Publication] = set()
        self._lock = Lock()
        self._idlers: list[asyncio.Future[None]] = []

    def admit(self, event: Event, *, detached: bool = False) -> Publication:
        """Let an event in and count it.

        Args:
            event: what is published.
            detached: whether nobody awaits it: it starts at depth 0, and counts as pending.

        Raises:
            TypeError: if it is no event.
            BusClosedError: if the bus is closed, or closing and no ancestor of it is live.
            PublishDepthError: if it would be nested too deep.
            BusOverloadedError: if it is detached, and too many of those are pending.
        """
        if not isinstance(event, Event):
            raise TypeError(f"publish an Event, not {type(event).__name__}")
        cause = CURRENT.get()
        if self.doors is not _OPEN:
            self._check_doors(event, cause)
        publication = Publication(self, event)
        if cause is not None:
            publication.descend(cause)
        if detached:
            self._count_pending(publication)
        elif publication.parent is not None:
            publication.depth = publication.parent.depth + 1
            if publication.depth > self._max_depth:
                raise PublishDepthError(event.type, self._max_depth)
        self.live[publication] = None
        if self.doors is not _OPEN:  # whoever closes them on another thread sees this one, or
            self.check_again(publication, cause)  # it sees them closed
        return publication

    def admit_many(self, events: Iterable[Event]) -> list[Publication]:
        """As `admit`, of several: all of them, or none."""
        wanted = tuple(events)
        if self.doors is _OPEN and CURRENT.get() is None and {*map(type, wanted)} == {Event}:
            admitted = [Publication(self, event) for event in wanted]
            self.live.update(dict.fromkeys(admitted))
            if self.doors is _OPEN:
                return admitted
            self.end_many(admitted)  # type: ignore[unreachable]  # another thread has closed them
        admitted = []
        try:
            for event in wanted:
                admitted.append(self.admit(event))
        except BaseException:
            self.end_many(admitted)
            raise
        return admitted

    def end_many(self, publications: Iterable[Publication]) -> None:
        """As `end`, of several."""
        live = self.live
        for one in publications:
            one.live = False
            one.lanes = None
            if one.parent is not None:
                one.parent = one.parent.nearest_live()
            live.pop(one, None)
        self._pending.difference_update(publications)
        if self._idlers and not live:
            self._wake_idlers()

    def end(self, publication: Publication) -> None:
        """A publication has ended, or was given up.

        What it published lives on as a child of its nearest live ancestor.
        """
        publication.live = False
        publication.lanes = None  # they lead back to it
        if publication.parent is not None:
            publication.parent = publication.parent.nearest_live()
        self.live.pop(publication, None)
        if self._pending:
            self._pending.discard(publication)
        if self._idlers and not self.live:
            self._wake_idlers()

    @contextmanager
    def last_words(self) -> Iterator[None]:
        """While entered, and the doors are closing, let in what is published in this context."""
        token = _STOPPING.set(self)
        try:
            yield
        finally:
            _STOPPING.reset(token)

    def is_last_word(self) -> bool:
        """Whether the caller is, or was started by, a handler's `stop`."""
        return _STOPPING.get() is self

    def is_inside(self) -> bool:
        """Whether the caller is, or was started by, a handler of a live publication."""
        return self._is_ours(CURRENT.get())

    def undelivered(self) -> list[Event]:
        """The events that are still on their way, in the order they were admitted."""
        for one in tuple(self.live):
            if one.never_began():
                self.end(one)
        return [one.event for one in tuple(self.live)]

    async def idle(self, timeout: float) -> list[Event]:  # noqa: ASYNC109 - returns, not raises
        """Wait until nothing is on its way.

        Args:
            timeout: seconds to wait at most.

        Returns:
            The events that still are.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while left := self.undelivered():
            remaining = deadline - loop.time()
            if remaining <= 0:
                return left
            if any(one.coroutine is not None for one in tuple(self.live)):
                remaining = min(remaining, _LOOK_AGAIN)
            idler: asyncio.Future[None] = loop.create_future()
            self._idlers.append(idler)
            try:
                if self.live:  # it may have become empty on another thread meanwhile
                    await asyncio.wait({idler}, timeout=remaining)
            finally:
                self._idlers.remove(idler)
        return []

    def expire(self) -> None:
        """Cancel what still runs, and revoke what has not begun."""
        self.expired = True
        for one in tuple(self.live):
            if one.coroutine is not None:  # it will raise when it begins
                self.end(one)
            elif one.lanes is not None:
                try:
                    one.lanes.loop.call_soon_threadsafe(one.lanes.cancel)
                except RuntimeError:  # its loop is closed, and nothing of it will ever run
                    self.end(one)

    def reopen(self) -> None:
        """Let everyone in again."""
        self.doors = Doors.OPEN
        self.expired = False

    def check_again(self, publication: Publication, cause: Publication | None) -> None:
        try:
            self._check_doors(publication.event, cause)
        except BusClosedError:
            self.end(publication)
            raise

    def _check_doors(self, event: Event, cause: Publication | None) -> None:
        if self.doors is Doors.OPEN:
            return
        if self.doors is Doors.CLOSING and (self._is_ours(cause) or self.is_last_word()):
            return
        state = "closing" if self.doors is Doors.CLOSING else "closed"
        raise BusClosedError(f"the bus is {state}: {event.type} was not published")

    def _is_ours(self, current: Publication | None) -> bool:
        return current is not None and any(one.admission is self for one in current.live_line())

    def _wake_idlers(self) -> None:
        for idler in tuple(self._idlers):
            with suppress(RuntimeError):  # its loop is closed
                idler.get_loop().call_soon_threadsafe(_wake, idler)

    def _count_pending(self, publication: Publication) -> None:
        if len(self._pending) >= self._max_pending:
            self.undelivered()  # lets go of those that were given up
        with self._lock:
            if len(self._pending) >= self._max_pending:
                raise BusOverloadedError(self._max_pending)
            self._pending.add(publication)


_STOPPING: Final[ContextVar[Admission | None]] = ContextVar("busway_stopping", default=None)
"""The bus that is stopping its handlers here; the tasks that they stop in inherit it."""


def _wake(idler: asyncio.Future[None]) -> None:
    if not idler.done():
        idler.set_result(None)
