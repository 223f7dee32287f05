"""Delivery: an admitted event through the middleware, to the handlers, to its result."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, ParamSpec, Protocol

from busway._dispatch import dispatch, dispatch_many
from busway._eager import start_eagerly
from busway._names import text_of
from busway._publication import CURRENT
from busway.events import Event, EventType
from busway.handlers import UNHEARD, handler_name
from busway.middleware import pass_through
from busway.results import BlockedResult, PublishResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from busway._admission import Admission
    from busway._dispatch import Lanes
    from busway._publication import Publication
    from busway._registry import Registry
    from busway.bus import EventBus
    from busway.handlers import Handler
    from busway.middleware import Middleware
    from busway.results import HandlerOutcome

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
        self._snapshots = registry.snapshots
        self._admission = admission
        self._report_failures = report_failures
        self._reports: set[asyncio.Task[None]] = set()

    async def publish_one(self, publication: Publication) -> PublishResult:
        """Through the middleware, then to the handlers of the moment."""
        # As `publish` of one; each call between here and a handler is one less that publishes
        # can be nested before Python's limit on recursion.
        try:
            if publication.live:  # as `begin`, in one call less
                publication.coroutine = None
            else:
                publication.begin()  # it raises
            if self.middleware:
                event, stopped_by = pass_through(self.middleware, publication.event)
                if stopped_by is not None:
                    return BlockedResult(stopped_by)
                publication.event = event
            type_ = publication.event.type
            snapshot = self._snapshots.get(type_) or self._registry.snapshot(type_)
            publication.snapshot = snapshot
            if snapshot is UNHEARD:
                self._tell_unheard(publication.event)
                return publication
            lanes = dispatch(publication)
            if lanes is not None:
                await self._settle(lanes, (publication,))
            return publication
        finally:
            self._admission.end(publication)

    async def publish_unheard(self, event: Event) -> PublishResult:
        """As `publish_one`, of an event that nobody wanted when it was published.

        It is admitted when this begins, and only if somebody wants it by now: otherwise nothing
        happens that a draining or closing bus would have to know of.
        """
        if self.middleware or self._snapshots.get(event.type) is not UNHEARD:
            return await self.publish_one(self._admission.admit(event))
        if self.observer is not None:
            self._tell_unheard(event)
        return PublishResult(event)

    async def publish(self, publications: Sequence[Publication]) -> list[PublishResult]:
        """All through the middleware, then those that passed to their handlers, concurrently."""
        try:
            for one in publications:
                if one.live:
                    one.coroutine = None
                else:
                    one.begin()  # it raises
            results: list[PublishResult] = list(publications)
            passed = publications
            if self.middleware:
                passed = []
                for place, one in enumerate(publications):
                    event, stopped_by = pass_through(self.middleware, one.event)
                    if stopped_by is not None:
                        results[place] = BlockedResult(stopped_by)
                    else:
                        one.event = event
                        passed.append(one)
            for one in passed:
                type_ = one.event.type
                one.snapshot = self._snapshots.get(type_) or self._registry.snapshot(type_)
                if one.snapshot is UNHEARD:
                    self._tell_unheard(one.event)
            heard = [one for one in passed if one.snapshot is not UNHEARD]
            if heard:
                await self._settle(dispatch_many(heard), heard)
            return results
        finally:
            self._admission.end_many(publications)

    async def deliver(self, publication: Publication) -> HandlerOutcome:
        """To the one subscription that the publication brings, past the middleware."""
        try:
            publication.begin()
            lanes = dispatch(publication)
            if lanes is not None:
                await self._settle(lanes, (publication,))
        finally:
            self._admission.end(publication)
        (outcome,) = publication.outcomes
        return outcome

    def _tell_unheard(self, event: Event) -> None:
        if self.observer is not None:
            _guarded(self.observer.event_unhandled, event)

    async def _settle(self, lanes: Lanes, publications: Sequence[Publication]) -> None:
        """Wait for what has suspended, and tell of failures, however the waiting ends."""
        if self._admission.expired and not self._admission.is_last_word():
            lanes.cancel()
        try:
            await lanes.wait()
        finally:
            for one in publications:
                if one.exceptions is not None:
                    self._tell_failures(one, lanes)

    def _tell_failures(self, publication: Publication, lanes: Lanes) -> None:
        for call, outcome in zip(publication.snapshot.calls, publication.outcomes, strict=True):
            handler, error = outcome.handler, outcome.error
            if error is None or (publication, id(call)) in (lanes.stopped or ()):
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
            if self._report_failures and not publication.reports:
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
        if task is not None:
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
