"""What one test knows of its buses: what was published, why, and what is still at work."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from busway._publication import CURRENT
from busway.handlers import handler_name
from busway_testing.captured import CapturedEvents

if TYPE_CHECKING:
    from concurrent.futures import Future

    from busway._publication import Publication
    from busway.events import Event
    from busway.handlers import Handler

    Work: TypeAlias = asyncio.Future[object] | Future[object]

__all__ = ["Admitted", "Failure", "Origin", "Record"]


class Admitted(NamedTuple):
    """One publication, as it was let in.

    Attributes:
        publication: the core's; its event is replaced when it has passed the middleware.
        id: the event's, as it was published.
        cause: the event whose handler published it; None if none did.
    """

    publication: Publication
    id: str
    cause: Event | None


class Origin(NamedTuple):
    """Why something is at work.

    Attributes:
        event: whose handler started a task; or what a task or a thread's future publishes.
        publishes: whether it is the latter.
    """

    event: Event
    publishes: bool


class Failure(NamedTuple):
    """What went wrong.

    Attributes:
        event: what was being handled, or published.
        what: who failed.
        error: how.
    """

    event: Event
    what: str
    error: BaseException


class Record:
    """Told of all that happens on a test's buses, on whatever loop and thread.

    Attributes:
        captured: the events that have passed the middleware.
        admitted: the publications that were let in, in order.
        failures: of handlers, and of publishes that nobody awaits.
        work: tasks and futures that are not done.
        broken: tasks that have failed, with what had started them.
        waiters: woken when a publication or some work has ended.
    """

    def __init__(self) -> None:
        self.captured: CapturedEvents = CapturedEvents()
        self.admitted: list[Admitted] = []
        self.failures: list[Failure] = []
        self.work: dict[Work, Origin] = {}
        self.broken: list[tuple[asyncio.Future[object], Event]] = []
        self.waiters: list[asyncio.Future[None]] = []

    def capture(self, event: Event) -> Event:
        """The last middleware: it sees what handlers will see."""
        self.captured.append(event)
        return event

    def admit(self, publication: Publication) -> None:
        """A publication was let in; called by the one who publishes."""
        cause = CURRENT.get()
        self.admitted.append(
            Admitted(publication, publication.event.id, None if cause is None else cause.event)
        )

    def fail(self, event: Event, handler: Handler, error: BaseException) -> None:
        """A handler has failed."""
        self.failures.append(Failure(event, handler_name(handler), error))

    def follow(self, work: Work, event: Event, *, publishes: bool = False) -> None:
        """A task or future has been made."""
        self.work[work] = Origin(event, publishes)
        if isinstance(work, asyncio.Future):
            work.add_done_callback(self._end_soon)
        else:
            work.add_done_callback(self._end)

    def wake(self) -> None:
        """Something has ended: who waits looks again."""
        for waiter in tuple(self.waiters):
            with suppress(RuntimeError):  # its loop is closed
                waiter.get_loop().call_soon_threadsafe(_set, waiter)

    def _end_soon(self, task: asyncio.Future[object]) -> None:
        """A task is done; callbacks that others gave it may publish, and run in this turn."""
        task.get_loop().call_soon(self._end, task)

    def _end(self, work: Work) -> None:
        origin = self.work.pop(work, None)
        if origin is not None and not work.cancelled():
            if origin.publishes:
                error = work.exception()
                if error is not None:
                    self.failures.append(Failure(origin.event, "publishing", error))
            elif isinstance(work, asyncio.Future) and is_unheard(work):
                self.broken.append((work, origin.event))
        self.wake()


def is_unheard(task: asyncio.Future[object]) -> bool:
    """Whether a task has failed and nobody has looked.

    Source: by the same mark asyncio decides whether to log "exception was never retrieved".
    """
    return bool(getattr(task, "_log_traceback", False))


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
