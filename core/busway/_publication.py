"""One event on its way through a bus: where it came from, and what became of it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from busway.events import EventType
from busway.exceptions import BusClosedError
from busway.handlers import UNHEARD
from busway.results import PublishResult

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from busway._admission import Admission
    from busway._dispatch import Lanes
    from busway.events import Event
    from busway.handlers import Snapshot

__all__ = ["CURRENT", "Publication"]


class Publication(PublishResult):
    """One event on its way, and the result that its publisher gets: one object for both.

    Attributes:
        event: the event; as the middleware left it, once it has.
        admission: what let it in, and counts it.
        live: whether it was admitted and has not ended.
        coroutine: what is to publish it, until that begins; a weak reference.
        lanes: what waits for its handlers; None if all of them have ended without suspending.
        parent: the publication whose handler published this one, or its nearest live ancestor.
        depth: how many awaited publishes enclose it.
        reporting: whether it descends from the report of a failure.
    """

    __slots__ = (
        "admission",
        "coroutine",
        "depth",
        "exceptions",
        "lanes",
        "live",
        "parent",
        "reporting",
        "snapshot",
    )

    event: Event

    def __init__(self, admission: Admission, event: Event) -> None:
        self.event = event
        self.snapshot: Snapshot = UNHEARD
        self.exceptions: dict[int, BaseException] | None = None
        self.admission = admission
        self.live = True
        self.coroutine: Callable[[], Coroutine[object, None, object] | None] | None = None
        self.lanes: Lanes | None = None
        self.parent: Publication | None = None
        self.depth = 0
        self.reporting = False

    def descend(self, cause: Publication) -> None:
        """Become what a handler of another publication has published."""
        self.parent = cause.nearest_live()
        self.reporting = cause.reports
        self.event = cause.inherit(self.event)

    @property
    def reports(self) -> bool:
        """Whether it reports a failure, or descends from such a report: none is reported of it."""
        return self.reporting or self.event.type is EventType.ERROR_OCCURRED

    def nearest_live(self) -> Publication | None:
        """Itself, or the nearest ancestor that has not ended."""
        return next(self.live_line(), None)

    def live_line(self) -> Iterator[Publication]:
        """Itself and its ancestors, those that have not ended."""
        one: Publication | None = self
        while one is not None:
            if one.live:
                yield one
            one = one.parent

    def inherit(self, event: Event) -> Event:
        """The event with the ids of this one, which caused it, where it has none of its own.

        An event that is forwarded as it is does not become its own cause.
        """
        if event.correlation_id is not None and event.causation_id is not None:
            return event
        known = (self.event.id, self.event.causation_id, self.event.correlation_id)
        if event.id in known or any(event.id == one.event.id for one in self.live_line()):
            return event
        correlation_id, causation_id = event.correlation_id, event.causation_id
        if correlation_id is None:
            correlation_id = self.event.correlation_id or self.event.id
        return event.replace(
            correlation_id=correlation_id,
            causation_id=self.event.id if causation_id is None else causation_id,
        )

    def begin(self) -> None:
        """Its publishing begins.

        Raises:
            BusClosedError: if the bus has closed in the meantime.
        """
        self.coroutine = None
        if not self.live:
            raise BusClosedError(f"the bus closed before {self.event.type} was published")

    def drop(self, _: object = None) -> None:
        """The coroutine that was to publish it is gone."""
        self.admission.end(self)

    def never_began(self) -> bool:
        """Whether the coroutine that was to publish it is gone, or was closed unstarted."""
        if self.coroutine is None:
            return False
        coroutine = self.coroutine()
        return coroutine is None or getattr(coroutine, "cr_frame", None) is None


CURRENT: Final[ContextVar[Publication | None]] = ContextVar("busway_publication", default=None)
"""The publication whose handler is running; tasks and threads inherit it."""
