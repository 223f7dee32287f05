"""Admission: which publications are on their way through a bus, and whether more are let in."""

from __future__ import annotations

import asyncio
import enum
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final
from weakref import ref

from busway._publication import CURRENT, Publication
from busway.events import Event
from busway.exceptions import BusClosedError, BusOverloadedError, PublishDepthError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

__all__ = ["Admission", "Doors"]

_LOOK_AGAIN: Final = 0.05
"""Seconds after which `idle` looks whether a publish that has not begun was given up: a task
cancelled before its first step tells nobody."""


class Doors(enum.Enum):
    """Who is let in: everyone, descendants of live publications, or nobody."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


class Admission:
    """Counts publications in and out, on whatever loop and thread.

    Attributes:
        doors: who is let in.
        expired: whether the drain's time is up: what still runs is being cancelled.
    """

    def __init__(self, owner: object, *, max_depth: int, max_pending: int) -> None:
        self.doors = Doors.OPEN
        self.expired = False
        self._owner = owner
        self._max_depth = max_depth
        self._max_pending = max_pending
        self._live: dict[Publication, None] = {}
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
        self._check_doors(event, cause)
        publication = Publication(self._owner, event, cause)
        if detached:
            self._count_pending(publication)
        elif publication.parent is not None:
            publication.depth = publication.parent.depth + 1
            if publication.depth > self._max_depth:
                raise PublishDepthError(event.type, self._max_depth)
        self._live[publication] = None
        try:  # again: whoever closes the doors on another thread sees this one, or it sees them
            self._check_doors(event, cause)
        except BusClosedError:
            self.end(publication)
            raise
        return publication

    def expect(
        self, publications: Sequence[Publication], coroutine: Coroutine[object, None, object]
    ) -> None:
        """Tell what will publish them; if it is dropped before it begins, they are let go."""

        def drop(_: object) -> None:
            for one in publications:
                self.end(one)

        waiting = ref(coroutine, drop)
        for one in publications:
            one.coroutine = waiting

    def begin(self, publications: Sequence[Publication]) -> None:
        """Their publishing begins.

        Raises:
            BusClosedError: if the bus has closed in the meantime.
        """
        for one in publications:
            one.coroutine = None
            if one.revoked:
                raise BusClosedError(f"the bus closed before {one.event.type} was published")

    def end(self, publication: Publication) -> None:
        """A publication has ended, or was given up."""
        publication.end()
        self._live.pop(publication, None)
        self._pending.discard(publication)
        if self._idlers and not self._live:
            for idler in tuple(self._idlers):
                with suppress(RuntimeError):  # its loop is closed
                    idler.get_loop().call_soon_threadsafe(_wake, idler)

    def is_inside(self) -> bool:
        """Whether the caller is, or was started by, a handler of a live publication."""
        return self._is_ours(CURRENT.get())

    def undelivered(self) -> list[Event]:
        """The events that are still on their way, in the order they were admitted."""
        for one in tuple(self._live):
            if one.never_began():
                self.end(one)
        return [one.event for one in tuple(self._live)]

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
            if any(one.coroutine is not None for one in tuple(self._live)):
                remaining = min(remaining, _LOOK_AGAIN)
            idler: asyncio.Future[None] = loop.create_future()
            self._idlers.append(idler)
            try:
                if self._live:  # it may have become empty on another thread meanwhile
                    await asyncio.wait({idler}, timeout=remaining)
            finally:
                self._idlers.remove(idler)
        return []

    def expire(self) -> None:
        """Cancel what still runs, and revoke what has not begun."""
        self.expired = True
        for one in tuple(self._live):
            if one.coroutine is not None:
                one.revoked = True
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

    def _check_doors(self, event: Event, cause: Publication | None) -> None:
        if self.doors is Doors.OPEN or (self.doors is Doors.CLOSING and self._is_ours(cause)):
            return
        state = "closing" if self.doors is Doors.CLOSING else "closed"
        raise BusClosedError(f"the bus is {state}: {event.type} was not published")

    def _is_ours(self, current: Publication | None) -> bool:
        return current is not None and any(one.owner is self._owner for one in current.live_line())

    def _count_pending(self, publication: Publication) -> None:
        if len(self._pending) >= self._max_pending:
            self.undelivered()  # lets go of those that were given up
        with self._lock:
            if len(self._pending) >= self._max_pending:
                raise BusOverloadedError(self._max_pending)
            self._pending.add(publication)


def _wake(idler: asyncio.Future[None]) -> None:
    if not idler.done():
        idler.set_result(None)
