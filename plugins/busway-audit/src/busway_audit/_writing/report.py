"""Reports: an automatic flush that failed is told on the bus, by events that cannot go round."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import ref

from busway.events import Event, EventType
from busway.exceptions import BuswayError

if TYPE_CHECKING:
    from busway.bus import EventBus

__all__ = ["Reporter"]

_MOST_REMEMBERED: Final = 100
_log = logging.getLogger("busway.audit")


class Reporter:
    """Publishes `ERROR_OCCURRED` for the audit trail, which hears it, too, and has to write it.

    Args:
        name: the handler's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bus: ref[EventBus] | None = None
        self._ids: deque[str] = deque(maxlen=_MOST_REMEMBERED)

    def begin(self, bus: EventBus) -> None:
        """From now on, report on this bus."""
        self._bus = ref(bus)

    def end(self) -> None:
        """From now on, report nowhere."""
        self._bus = None

    def report(self, message: str, pending: int) -> None:
        """Publish a report; called by the writer's thread, which does not wait for it."""
        bus = self._bus() if self._bus is not None else None
        if bus is None:
            return
        payload = {
            "severity": "critical",
            "message": f"audit trail: {message}",
            "handler": self._name,
            "pending": pending,
        }
        report = Event(EventType.ERROR_OCCURRED, payload, source="busway.audit")
        self._ids.append(report.id)
        try:
            bus.publish_threadsafe(report)
        except (BuswayError, RuntimeError) as error:  # it is closing, say; the log has it anyway
            _log.debug("a report was not published: %s", error)

    def is_report(self, event: Event) -> bool:
        """Whether an event is a report, or was published because of one."""
        known = self._ids
        return bool(known) and (event.correlation_id in known or event.id in known)
