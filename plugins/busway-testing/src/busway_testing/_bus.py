"""A bus that tells a test's record of all that happens on it, and is otherwise as any other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from busway._publication import CURRENT, Publication
from busway.bus import EventBus
from busway.exceptions import SkipHandler
from busway_testing._tasks import TaskFollower
from busway_testing.muting import mutes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from typing import TypedDict, Unpack

    from busway._delivery import BusObserver
    from busway.events import Event
    from busway.handlers import Call, Handler
    from busway.middleware import Interceptor, Middleware
    from busway.results import PublishResult
    from busway_testing._record import Record, Work
    from busway_testing.muting import Mute

    class Options(TypedDict, total=False):
        """Those of `EventBus`."""

        debug: bool
        report_failures: bool
        max_depth: int
        max_pending: int
        start_timeout: float
        stop_timeout: float
        drain_timeout: float


__all__ = ["WatchedBus"]


class WatchedBus(EventBus):
    """A bus whose events, handlers and tasks are followed.

    No handler is added, so outcomes and unhandled events are what they would be without. What is
    added hides: a middleware behind all others, an interceptor around all others, an observer.
    """

    def __init__(self, record: Record, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self._record = record
        self._follower = TaskFollower(record)
        self._muted: dict[Publication, tuple[Mute, ...]] = {}
        self._observer = _Observer(record)
        self._capture: Middleware = record.capture  # kept: each access makes another
        self._around: Interceptor = self._intercept
        self._admission.live = _Live(record, self._muted)
        self._delivery.observer = self._observer
        super().add_middleware(self._capture)
        super().add_interceptor(self._around)

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """The middleware, without our own."""
        return tuple(one for one in super().middleware if one is not self._capture)

    def add_middleware(self, middleware: Middleware) -> None:
        """Let every event pass `middleware`; our own stays the last."""
        super().add_middleware(middleware)
        super().remove_middleware(self._capture)
        super().add_middleware(self._capture)

    @property
    def interceptors(self) -> tuple[Interceptor, ...]:
        """The interceptors, without our own."""
        return tuple(one for one in super().interceptors if one is not self._around)

    @property
    def observer(self) -> BusObserver | None:
        """Who is told, besides us."""
        return self._observer.other

    @observer.setter
    def observer(self, observer: BusObserver | None) -> None:
        self._observer.other = observer

    def publish_soon(self, event: Event) -> asyncio.Task[PublishResult]:
        """As any bus does; the task is followed."""
        task = super().publish_soon(event)
        self._record.follow(cast("Work", task), event, publishes=True)
        return task

    def publish_threadsafe(self, event: Event) -> Future[PublishResult]:
        """As any bus does; the future is followed."""
        future = super().publish_threadsafe(event)
        self._record.follow(cast("Work", future), event, publishes=True)
        return future

    def let_go(self) -> None:
        """The test is over: close, and put back the loops' task factories.

        Warns:
            RuntimeWarning: if handlers were started and not stopped; they are named.
        """
        self._follower.restore()
        self.close()

    def _intercept(self, handler: Handler, call_next: Call) -> Call:
        async def call(event: Event) -> None:
            publication = CURRENT.get()
            if publication is not None:
                for mute in self._muted.get(publication, ()):
                    if mute.silences(event, handler):
                        raise SkipHandler("muted by the test")
            self._follower.follow(asyncio.get_running_loop())
            await call_next(event)

        return call


class _Live(dict[Publication, None]):
    """What is on its way through a bus, as its admission keeps it; it tells of each change."""

    def __init__(self, record: Record, muted: dict[Publication, tuple[Mute, ...]]) -> None:
        super().__init__()
        self._record = record
        self._muted = muted

    def __setitem__(self, publication: Publication, nothing: None) -> None:
        super().__setitem__(publication, nothing)
        active = mutes()
        if active:
            self._muted[publication] = active
        self._record.admit(publication)

    def update(self, publications: Iterable[Publication]) -> None:  # type: ignore[override]
        """As `publish_many` adds those that nothing has caused."""
        for one in publications:
            self[one] = None

    def pop(self, publication: Publication, default: None = None) -> None:  # type: ignore[override]
        """As a publication ends."""
        super().pop(publication, default)
        self._record.wake()


class _Observer:
    """Tells the record, and then whoever else wants to be told."""

    def __init__(self, record: Record) -> None:
        self.other: BusObserver | None = None
        self._record = record

    def handler_failed(self, event: Event, handler: Handler, error: Exception) -> None:
        """A handler failed, or was cancelled by none but itself."""
        self._record.fail(event, handler, error)
        if self.other is not None:
            self.other.handler_failed(event, handler, error)

    def event_unhandled(self, event: Event) -> None:
        """An event was dispatched, and nobody wanted it."""
        if self.other is not None:
            self.other.event_unhandled(event)
