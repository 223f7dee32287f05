"""Delivery: an admitted event through the middleware, to the handlers, to its result."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, ParamSpec, Protocol

from busway._dispatch import Lanes
from busway._eager import start_eagerly
from busway._names import text_of
from busway._publication import CURRENT
from busway.events import Event, EventType
from busway.handlers import handler_name
from busway.middleware import pass_through
from busway.results import HandlerOutcome, PublishResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from busway._admission import Admission
    from busway._publication import Publication
    from busway._registry import Registry
    from busway.bus import EventBus
    from busway.handlers import Handler
    from busway.middleware import Middleware

__all__ = ["BusObserver", "Delivery"]

_log = logging.getLogger("busway.delivery")
_P = ParamSpec("_P")


class BusObserver(Protocol):
    """Told of what happens on a bus; `load_plugins` passes it on to the plugins' hooks."""

    def handler_failed(self, event: Event, handler: Handler, error: Exception) -> None:
        """A handler failed, or was cancelled by none but itself."""

    def event_unhandled(self, event: Event) -> None:
        """An event was dispatched, and nobody wanted it."""


class Delivery:
    """Takes publications from admission to their results, and tells of failures.

    Attributes:
        middleware: what every event passes, in order.
        observer: who is told.
    """

    def __init__(
        self, bus: EventBus, registry: Registry, admission: Admission, *, report_failures: bool
    ) -> None:
        self.middleware: tuple[Middleware, ...] = ()
        self.observer: BusObserver | None = None
        self._bus = bus
        self._registry = registry
        self._admission = admission
        self._report_failures = report_failures
        self._reports: set[asyncio.Task[None]] = set()

    async def publish_one(self, publication: Publication) -> PublishResult:
        """Through the middleware, then to the handlers of the moment."""
        # As `publish` of one; each call between here and a handler is one less that publishes
        # can be nested before Python's limit on recursion.
        try:
            self._admission.begin((publication,))
            stopped_by = self._pass_middleware(publication)
            if stopped_by is not None:
                return PublishResult(None, blocked_by=stopped_by)
            publication.subscriptions = self._registry.snapshot(publication.event.type)
            lanes = Lanes((publication,))
            lanes.start()
            await self._settle(lanes, (publication,))
            return PublishResult(
                publication.event, publication.subscriptions, publication.exceptions
            )
        finally:
            self._admission.end(publication)

    async def publish(self, publications: Sequence[Publication]) -> list[PublishResult]:
        """All through the middleware, then those that passed to their handlers, concurrently."""
        try:
            self._admission.begin(publications)
            stopped_by = [self._pass_middleware(one) for one in publications]
            told = list(zip(publications, stopped_by, strict=True))
            dispatched = [one for one, by in told if by is None]
            for one in dispatched:
                one.subscriptions = self._registry.snapshot(one.event.type)
            lanes = Lanes(dispatched)
            lanes.start()
            await self._settle(lanes, dispatched)
            return [
                PublishResult(one.event, one.subscriptions, one.exceptions)
                if by is None
                else PublishResult(None, blocked_by=by)
                for one, by in told
            ]
        finally:
            for one in publications:
                self._admission.end(one)

    async def deliver(self, publication: Publication) -> HandlerOutcome:
        """To the one subscription that the publication brings, past the middleware."""
        try:
            self._admission.begin((publication,))
            lanes = Lanes((publication,))
            lanes.start()
            await self._settle(lanes, (publication,))
        finally:
            self._admission.end(publication)
        (subscription,) = publication.subscriptions
        return HandlerOutcome.of(subscription.handler, publication.exceptions.get(subscription))

    def _pass_middleware(self, publication: Publication) -> Middleware | None:
        event, stopped_by = pass_through(self.middleware, publication.event)
        if event is not None:
            publication.event = event
            publication.reporting |= event.type is EventType.ERROR_OCCURRED
        return stopped_by

    async def _settle(self, lanes: Lanes, publications: Sequence[Publication]) -> None:
        """Wait for what has suspended, and tell of failures, however the waiting ends."""
        if self._admission.expired:
            lanes.cancel()
        try:
            await lanes.wait()
        finally:
            for one in publications:
                if one.exceptions:
                    self._tell_failures(one, lanes)
                elif not one.subscriptions and self.observer is not None:
                    _guarded(self.observer.event_unhandled, one.event)

    def _tell_failures(self, publication: Publication, lanes: Lanes) -> None:
        for subscription in publication.subscriptions:
            handler = subscription.handler
            outcome = HandlerOutcome.of(handler, publication.exceptions.get(subscription))
            error = outcome.error
            if error is None or (publication, subscription) in lanes.stopped:
                continue  # well, or it ended as it was told to
            event = publication.event
            _log.error(
                "handler %s %s on %s %s: %s",
                handler_name(handler),
                outcome.status,
                event.type,
                event.id,
                text_of(error),
                exc_info=outcome.exception,
            )
            if self.observer is not None:
                _guarded(self.observer.handler_failed, event, handler, error)
            if self._report_failures and not publication.reporting:
                self._start_report(publication, handler, error)

    def _start_report(self, publication: Publication, handler: Handler, error: Exception) -> None:
        """Report a failure in a task of its own: the publisher is not held up by it.

        It is published as if by the handler that failed, so the failed event is its cause.
        """
        report = Event(
            EventType.ERROR_OCCURRED,
            {
                "severity": "error",
                "message": text_of(error),
                "handler": handler_name(handler),
                "event_id": publication.event.id,
                "event_type": publication.event.type.value,
            },
            source="busway",
        )
        context = copy_context()
        context.run(CURRENT.set, publication)
        task = start_eagerly(self._publish_report(report), asyncio.get_running_loop(), context)
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _publish_report(self, report: Event) -> None:
        try:
            publication = self._admission.admit(report, detached=True)
            await self.publish_one(publication)
        except (KeyboardInterrupt, SystemExit) as error:  # the loop's, not the publisher's
            asyncio.get_running_loop().call_soon(_raise, error)
        except Exception as error:  # noqa: BLE001 - logged; it is nobody else's
            _log.exception("a failure could not be reported: %s", text_of(error))


def _guarded(tell: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Tell an observer; what it raises is logged, and reaches no publisher."""
    try:
        tell(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - logged
        _log.exception("an observer of the bus raised %s", text_of(error))


def _raise(error: BaseException) -> None:
    raise error
