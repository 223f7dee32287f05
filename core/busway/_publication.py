"""One event on its way through a bus: where it came from, and what became of it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from busway.events import EventType

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from weakref import ref

    from busway._dispatch import Lanes
    from busway.events import Event
    from busway.handlers import Subscription

__all__ = ["CURRENT", "Publication"]


class Publication:
    """One event on its way.

    Attributes:
        owner: the bus.
        event: the event; as the middleware left it, once it has.
        parent: the publication whose handler published this one, or its nearest live ancestor.
        depth: how many awaited publishes enclose it.
        live: whether it was admitted and has not ended.
        reporting: whether it reports a failure, or descends from such a report.
        subscriptions: the handlers it was dispatched to.
        exceptions: what they raised.
        lanes: what runs them, while it does.
        coroutine: what is to publish it, until that begins; a weak reference.
        revoked: whether its bus closed before it began.
    """

    __slots__ = (
        "coroutine",
        "depth",
        "event",
        "exceptions",
        "lanes",
        "live",
        "owner",
        "parent",
        "reporting",
        "revoked",
        "subscriptions",
    )

    def __init__(self, owner: object, event: Event, cause: Publication | None) -> None:
        self.owner = owner
        self.event = event
        self.depth = 0
        self.live = True
        self.revoked = False
        self.subscriptions: Sequence[Subscription] = ()
        self.exceptions: dict[Subscription, BaseException] = {}
        self.lanes: Lanes | None = None
        self.coroutine: ref[Coroutine[object, None, object]] | None = None
        self.reporting: bool = event.type is EventType.ERROR_OCCURRED
        self.parent: Publication | None = None
        if cause is not None:
            self.parent = cause.nearest_live()
            self.reporting = self.reporting or cause.reporting
            self.event = cause.inherit(event)

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

    def end(self) -> None:
        """It has ended: what it published lives on as a child of its nearest live ancestor."""
        self.live = False
        self.lanes = None
        if self.parent is not None:
            self.parent = self.parent.nearest_live()

    def never_began(self) -> bool:
        """Whether the coroutine that was to publish it is gone, or was closed unstarted."""
        if self.coroutine is None:
            return False
        coroutine = self.coroutine()
        return coroutine is None or getattr(coroutine, "cr_frame", None) is None


CURRENT: Final[ContextVar[Publication | None]] = ContextVar("busway_publication", default=None)
"""The publication whose handler is running; tasks and threads inherit it."""
