"""The bus: who hears what, and the ways to publish."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar
from weakref import ref

from busway._admission import Admission, Doors
from busway._delivery import Delivery
from busway._environment import flag
from busway._lifecycle import Lifecycle
from busway._names import name_of, text_attribute, text_of
from busway._publication import CURRENT, Publication
from busway._registry import Registry
from busway._thread import LoopThread
from busway.events import Event, event_type
from busway.exceptions import BusClosedError, BuswayError
from busway.handlers import UNHEARD, Snapshot, handler_name

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator
    from concurrent.futures import Future
    from enum import StrEnum
    from types import TracebackType

    from busway._delivery import BusObserver
    from busway.handlers import Handler
    from busway.middleware import Interceptor, Middleware
    from busway.results import HandlerOutcome, PublishResult

__all__ = ["EventBus", "current_event"]

_log = logging.getLogger("busway.bus")
_OPEN: Final = Doors.OPEN
_MAX_DEPTH: Final = 100  # deeper, and Python's own limit on recursion comes first
_MOST_TOLD: Final = 20  # events named in one line of the log
_T = TypeVar("_T")


def current_event() -> Event | None:
    """The event whose handler is running, as that handler sees it; None outside of handlers.

    It is known in the tasks and threads that the handler has started, too, and in a middleware
    when the handler publishes: there it is the event that caused the new one.

    >>> current_event() is None
    True
    """
    publication = CURRENT.get()
    return None if publication is None else publication.event


class EventBus:
    """Components publish events on it; handlers that subscribed react, concurrently, isolated.

    `EventBus.get_instance()` is the one that an application shares. A bus works as it is;
    `async with bus` (or `start` and `stop`) starts and stops the handlers, and drains.

    Registration is thread-safe. The bus belongs to no event loop: handlers run on the publisher's.

    Args:
        debug: give each handler a copy of the payload of its own and name the one that changes
            it; also switched on by `BUSWAY_DEBUG=1`.
        report_failures: publish each failure of a handler as `ERROR_OCCURRED` too, except while
            one is being handled. The publisher does not wait for it.
        max_depth: how deep awaited publishes may be nested, 1 to 100.
        max_pending: how many events of `publish_soon` and `publish_threadsafe` may be waiting.
        start_timeout: seconds for a handler's `start`.
        stop_timeout: seconds for a handler's `stop`, unless it has a `stop_timeout` of its own.
        drain_timeout: seconds that events on their way get, before they are cancelled.

    Raises:
        ValueError: if a number is out of range.
        BuswayError: if `BUSWAY_DEBUG` says neither yes nor no.

    >>> import asyncio
    >>> class Greeter:
    ...     event_types = ["user.created"]
    ...     def handle(self, event):
    ...         print("hello", event.payload["name"])
    >>> bus = EventBus()
    >>> bus.subscribe(Greeter())
    >>> asyncio.run(bus.publish(Event("user.created", {"name": "Ada"}))).ok
    hello Ada
    True
    """

    _instance: ClassVar[EventBus | None] = None
    _instance_lock: ClassVar[Lock] = Lock()

    def __init__(
        self,
        *,
        debug: bool = False,
        report_failures: bool = False,
        max_depth: int = 32,
        max_pending: int = 10_000,
        start_timeout: float = 10.0,
        stop_timeout: float = 10.0,
        drain_timeout: float = 30.0,
    ) -> None:
        if not 1 <= max_depth <= _MAX_DEPTH:
            raise ValueError(f"max_depth must be from 1 to {_MAX_DEPTH}, not {max_depth}")
        if max_pending < 1:
            raise ValueError(f"max_pending must be 1 at least, not {max_pending}")
        if min(start_timeout, stop_timeout, drain_timeout) < 0:
            raise ValueError("a timeout cannot be negative")
        self.debug: bool = debug or flag("BUSWAY_DEBUG")
        self._drain_timeout = drain_timeout
        self._stop_timeout = stop_timeout
        self._registry = Registry(debug=self.debug)
        self._snapshots = self._registry.snapshots
        self._admission = Admission(max_depth=max_depth, max_pending=max_pending)
        self._lifecycle = Lifecycle(start_timeout=start_timeout, stop_timeout=stop_timeout)
        self._delivery = Delivery(
            self, self._registry, self._admission, report_failures=report_failures
        )
        self._lock = Lock()
        self._entered = False
        self._tasks: set[asyncio.Task[object]] = set()

    # -- the shared bus --------------------------------------------------------------------

    @classmethod
    def get_instance(cls) -> EventBus:
        """The bus that the application shares, made when first asked for; from any thread."""
        with EventBus._instance_lock:
            if EventBus._instance is None:
                EventBus._instance = cls()
            return EventBus._instance

    @classmethod
    def set_instance(cls, bus: EventBus) -> None:
        """Make a configured bus the shared one.

        Raises:
            TypeError: if it is no bus.
            BuswayError: if there is another one already, which components may hold.
        """
        if not isinstance(bus, EventBus):
            raise TypeError(f"an EventBus is expected, not {type(bus).__name__}")
        with EventBus._instance_lock:
            if EventBus._instance not in (None, bus):
                raise BuswayError(
                    "there is a shared bus already: call set_instance() before anything calls "
                    "get_instance() or uses @on_event, or EventBus.reset() first"
                )
            EventBus._instance = bus

    @classmethod
    def reset(cls) -> None:
        """Forget the shared bus, its handlers and its middleware.

        Warns:
            RuntimeWarning: if handlers of it were started and not stopped; they are named.
        """
        with EventBus._instance_lock:
            bus, EventBus._instance = EventBus._instance, None
        if bus is not None:
            _warn_not_stopped("reset", bus._forget_all())  # noqa: SLF001 - its own class

    # -- who hears what ---------------------------------------------------------------------

    @property
    def observer(self) -> BusObserver | None:
        """Who is told of failures and of events that nobody wanted."""
        return self._delivery.observer

    @observer.setter
    def observer(self, observer: BusObserver | None) -> None:
        self._delivery.observer = observer

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """The handlers, in the order of subscription."""
        return tuple(one.handler for one in self._registry.all())

    def handlers_for(self, type: StrEnum | str) -> tuple[Handler, ...]:  # noqa: A002 - the term
        """The handlers that an event of a type would reach now, in the order they would start.

        Raises:
            EventError: if the type is not registered.
        """
        return tuple(one.handler for one in self._registry.snapshot(event_type(type)).subscriptions)

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """The middleware, in the order an event passes it."""
        return self._delivery.middleware

    @property
    def interceptors(self) -> tuple[Interceptor, ...]:
        """The interceptors, the outermost first."""
        return self._registry.interceptors

    def subscribe(self, handler: Handler) -> None:
        """Let a handler hear the events of its types; the same one twice counts once.

        Args:
            handler: anything with `event_types` and `handle`; known by identity. Its types are
                read now, and not again.

        Raises:
            TypeError: if it is a class, or has no `handle`, or its types are no list or empty.
            EventError: if one of its types is not registered.
        """
        self._registry.add(handler)

    def unsubscribe(self, handler: Handler) -> bool:
        """Let it hear no more; publishes that have begun reach it still.

        Returns:
            Whether it was subscribed.
        """
        return self._registry.remove(handler)

    @contextmanager
    def subscribed(self, handler: Handler) -> Iterator[None]:
        """Subscribe a handler for the time of a `with`, and put back what was there before."""
        before = self._registry.find(handler)
        self.subscribe(handler)
        try:
            yield
        finally:
            if before is None:
                self.unsubscribe(handler)
            else:
                self._registry.restore(before)

    def add_middleware(self, middleware: Middleware) -> None:
        """Let every event pass `middleware`, after those added before.

        Raises:
            TypeError: if it is not callable.
        """
        _check_callable("middleware", middleware)
        with self._lock:
            self._delivery.middleware = (*self._delivery.middleware, middleware)

    def remove_middleware(self, middleware: Middleware) -> bool:
        """Remove it, found by equality; False if it was not there."""
        with self._lock:
            kept = _without(self._delivery.middleware, middleware)
            found, self._delivery.middleware = len(kept) < len(self._delivery.middleware), kept
            return found

    def add_interceptor(self, interceptor: Interceptor) -> None:
        """Wrap all handlers, present and future, inside the interceptors added before.

        Raises:
            TypeError: if it is not callable, or does not return a callable.
        """
        _check_callable("interceptor", interceptor)
        self._registry.intercept_by(lambda before: (*before, interceptor))

    def remove_interceptor(self, interceptor: Interceptor) -> bool:
        """Remove it, found by equality; False if it was not there."""
        return self._registry.intercept_by(lambda before: _without(before, interceptor))

    # -- publishing -------------------------------------------------------------------------

    def publish(self, event: Event) -> Coroutine[object, None, PublishResult]:
        """Publish an event and wait for all its handlers. To be awaited.

        The event is admitted and counted when this is called, and dispatched when it is awaited.

        Ordering:
            Handlers start in the order they were subscribed. What one publishes and awaits is
            handled before the next starts.

        Cancellation:
            Cancels the handlers that are still running and waits for them. All were started.

        Args:
            event: what happened.

        Returns:
            What became of it; a handler's failure is told there, never raised.

        Raises:
            TypeError: if it is no event.
            BusClosedError: if the bus is closed.
            MiddlewareError: if a middleware raises, or returns neither an event nor None.
            PublishDepthError: if it is nested too deep in awaited publishes.
            KeyboardInterrupt, SystemExit: if a handler raises one; the others were cancelled.
        """
        # What `admit` does for an event that nothing caused, on a bus that is open, in one call
        # less; and one that nobody wants is let in only if that has changed when it is awaited.
        admission = self._admission
        if event.__class__ is Event and CURRENT.get() is None and admission.doors is _OPEN:
            if self._snapshots.get(event.type) is UNHEARD and not self._delivery.middleware:
                return self._delivery.publish_unheard(event)
            publication = Publication(admission, event)
            admission.live[publication] = None
            if admission.doors is not _OPEN:  # another thread has closed them
                admission.check_again(publication, None)  # type: ignore[unreachable]
        else:
            publication = admission.admit(event)
        coroutine = self._delivery.publish_one(publication)
        publication.coroutine = ref(coroutine, publication.drop)
        return coroutine

    def publish_many(self, events: Iterable[Event]) -> Coroutine[object, None, list[PublishResult]]:
        """Publish events concurrently and wait for all their handlers. To be awaited.

        All pass the middleware first; if it raises for one, none is dispatched.

        Args:
            events: what happened; the same event may stand twice.

        Returns:
            One result for each position, in the order of `events`.

        Raises:
            TypeError, BusClosedError, MiddlewareError, PublishDepthError, KeyboardInterrupt,
                SystemExit: as `publish` does.
        """
        admission = self._admission
        admitted = admission.admit_many(events)
        coroutine = self._delivery.publish(admitted)
        given_up = ref(coroutine, lambda _: admission.end_many(admitted))
        for one in admitted:
            one.coroutine = given_up
        return coroutine

    def publish_soon(self, event: Event) -> asyncio.Task[PublishResult]:
        """Publish an event without waiting.

        Args:
            event: what happened.

        Returns:
            The task that does it. It is kept alive, and counted by `drain`; if it fails, that
            is logged once.

        Raises:
            BuswayError: if no loop is running in this thread.
            BusOverloadedError: if `max_pending` events are waiting.
            TypeError, BusClosedError: as `publish` does.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise BuswayError(
                "publish_soon() needs a running loop; from other threads use publish_threadsafe()"
            ) from None
        task = loop.create_task(self._expect(self._admission.admit(event, detached=True)))
        self._tasks.add(task)
        task.add_done_callback(self._log_task)
        return task

    def publish_threadsafe(self, event: Event) -> Future[PublishResult]:
        """Publish an event on the loop that entered the bus, from any thread.

        Args:
            event: what happened.

        Returns:
            The future of the result; cancelling it cancels the publish.

        Raises:
            BuswayError: if no loop has entered the bus, or it is closed.
            BusOverloadedError: if `max_pending` events are waiting.
            TypeError, BusClosedError: as `publish` does.
        """
        if self._admission.doors is Doors.CLOSED:
            raise BusClosedError("the bus is closed")
        loop = self._lifecycle.loop
        if loop is None or loop.is_closed():
            raise BuswayError(
                "publish_threadsafe() runs on the loop that entered the bus, and none has: "
                "use `async with bus` or `with bus.running()`"
            )
        coroutine = self._expect(self._admission.admit(event, detached=True))
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def deliver(self, event: Event, handler: Handler) -> Coroutine[object, None, HandlerOutcome]:
        """Run one handler on an event, interceptors and all. To be awaited.

        For retries and resubmission: the event is not changed and passes no middleware again.

        Args:
            event: what happened.
            handler: it need not be subscribed.

        Returns:
            How it ended.

        Raises:
            TypeError: if it is no event, or no handler.
            BusClosedError, PublishDepthError, KeyboardInterrupt, SystemExit: as `publish` does.
        """
        subscription = self._registry.find(handler) or self._registry.compile(handler)
        publication = self._admission.admit(event)
        publication.event = event
        publication.snapshot = Snapshot((subscription,))
        coroutine = self._delivery.deliver(publication)
        publication.coroutine = ref(coroutine, publication.drop)
        return coroutine

    # -- lifecycle --------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the handlers that are not started, one after another; reopen a closed bus.

        One whose `start` raises or exceeds `start_timeout` is unsubscribed and reported, in the
        log and in `health()`; the rest run.

        Raises:
            BusClosedError: if the bus is closing.
        """
        if self._admission.doors is Doors.CLOSING:
            raise BusClosedError("the bus is closing: start it when that has ended")
        self._admission.reopen()
        await self._lifecycle.start(self, self.handlers)

    async def stop(self) -> None:
        """Drain, stop the handlers in reverse order, and close.

        From now on only descendants of live publishes are admitted. What is not delivered within
        `drain_timeout` is cancelled. What was started is stopped, each within `stop_timeout`, its
        own or the bus's; what a handler publishes in its `stop` is still delivered.

        Cancellation:
            Ends the draining at once; the handlers are stopped all the same, each within the
            bus's `stop_timeout`.

        Raises:
            BuswayError: if called inside a handler of this bus, which would wait for itself.
        """
        self._check_outside("stop()")
        self._admission.doors = Doors.CLOSING
        try:
            await self._drain_or_cancel()
        finally:
            try:
                with self._admission.last_words():
                    await self._lifecycle.stop()
                await self._drain_or_cancel()  # what they published and did not wait for
            finally:
                self.close()

    def close(self) -> None:
        """Refuse all events from now on; `stop` does this last.

        Warns:
            RuntimeWarning: if handlers were started and not stopped; they are named.
        """
        self._admission.doors = Doors.CLOSED
        names = self._lifecycle.started
        self._lifecycle.forget()
        self._entered = False
        _warn_not_stopped("closed", names)

    async def drain(self, timeout: float | None = None) -> list[Event]:  # noqa: ASYNC109 - returns, not raises
        """Wait until no event is on its way; nothing is cancelled.

        Args:
            timeout: seconds to wait at most; the bus's `drain_timeout` if None.

        Returns:
            The events that were not delivered by then.

        Raises:
            BuswayError: if called inside a handler of this bus, which would wait for itself.
        """
        self._check_outside("drain()")
        return await self._admission.idle(self._drain_timeout if timeout is None else timeout)

    async def __aenter__(self) -> Self:
        if self._entered or self._admission.doors is Doors.CLOSING:
            raise BuswayError("the bus is running: it can be entered again when it is closed")
        self._entered = True
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run the bus on a loop in a thread of its own, for applications that are not async.

        Inside, publish with `publish_threadsafe`. Leaving drains, stops the handlers and ends
        the thread.

        Raises:
            BuswayError: if the bus is running.
        """
        if self._entered:
            raise BuswayError("the bus is running: it can be entered again when it is closed")
        with LoopThread(self):
            yield self

    @property
    def refused(self) -> tuple[tuple[Handler, str], ...]:
        """The handlers that did not start, each with the reason; forgotten when the bus closes."""
        return self._lifecycle.refused

    def health(self) -> dict[str, Mapping[str, int | str]]:
        """What the handlers say of themselves, by name, and which did not start.

        After them come the middleware and the interceptors that have a `health()` and say
        something there: what was limited, say, or which circuit is open.

        Those of one name are told apart by `#2`, `#3`. One whose `health()` raises has the
        error under `error`.
        """
        told: dict[str, Mapping[str, int | str]] = {}
        for handler in self.handlers:
            told[_free_name(handler_name(handler), told)] = _ask_health(handler)
        for handler, reason in self.refused:
            told[_free_name(handler_name(handler), told)] = {"error": f"did not start: {reason}"}
        for one in (*self.middleware, *self.interceptors):
            if said := _ask_health(one):
                told[_free_name(text_attribute(one, "name") or name_of(one), told)] = said
        return told

    def _expect(self, publication: Publication) -> Coroutine[object, None, PublishResult]:
        coroutine = self._delivery.publish_one(publication)
        publication.coroutine = ref(coroutine, publication.drop)
        return coroutine

    def _check_outside(self, what: str) -> None:
        if self._admission.is_inside():
            raise BuswayError(f"{what} inside a handler would wait for that handler itself")

    def _forget_all(self) -> tuple[str, ...]:
        self._registry.clear()
        self._delivery.middleware = ()
        self._delivery.observer = None
        return self._lifecycle.started

    def _log_task(self, task: asyncio.Task[PublishResult]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("publish_soon() failed: %s", text_of(error), exc_info=error)

    async def _drain_or_cancel(self) -> None:
        try:
            await self._admission.idle(self._drain_timeout)
        finally:  # cancelled or not: its time is up
            left = self._admission.undelivered()
            if left:
                told = ", ".join(f"{event.type} {event.id}" for event in left[:_MOST_TOLD])
                _log.error("%d events were not delivered when the bus stopped: %s", len(left), told)
            self._admission.expire()
            while await self._admission.idle(self._stop_timeout or 1.0):
                self._admission.expire()


def _warn_not_stopped(what: str, names: Iterable[str]) -> None:
    """Warn whoever called the public method that calls this."""
    told = ", ".join(names)
    if told:
        warnings.warn(
            f"the bus was {what} with handlers not stopped: {told}", RuntimeWarning, stacklevel=3
        )


def _check_callable(kind: str, thing: object) -> None:
    if not callable(thing):
        raise TypeError(f"{kind} must be callable, {thing!r} is not")


def _without(things: tuple[_T, ...], thing: _T) -> tuple[_T, ...]:
    """The tuple without the first that equals `thing`."""
    if thing not in things:
        return things
    index = things.index(thing)
    return things[:index] + things[index + 1 :]


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    candidates = (name if n == 1 else f"{name}#{n}" for n in count(1))
    return next(one for one in candidates if one not in taken)


def _ask_health(thing: object) -> Mapping[str, int | str]:
    try:
        ask = getattr(thing, "health", None)
        told: object = ask() if callable(ask) else {}
        if inspect.iscoroutine(told):  # of an AsyncMock
            told.close()
        return dict(told) if isinstance(told, Mapping) else {}
    except Exception as error:  # noqa: BLE001 - one's fault hides no other's health
        return {"error": f"health() raised {text_of(error)}"}
