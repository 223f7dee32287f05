"""Reports: that notifications are being lost is told on the bus, where it makes no notification."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Final
from weakref import ref

from busway.events import Event, EventType
from busway.exceptions import BuswayError

if TYPE_CHECKING:
    from busway.bus import EventBus

__all__ = ["SOURCE", "Reporter"]

_log = logging.getLogger("busway.notify")

SOURCE: Final = "busway.notify"
"""The source of our reports, by which a handler of ours, in this process or another, knows them."""


_UNPUBLISHED: Final = "a report was not published: %s"


class Reporter:
    """Publishes one `ERROR_OCCURRED` for a channel that begins to lose notifications.

    Args:
        name: the handler's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bus: ref[EventBus] | None = None
        self._held: list[Event] | None = None
        self._lock = Lock()

    def begin(self, bus: EventBus) -> None:
        """From now on, report on this bus."""
        self._bus, self._held = ref(bus), None

    def hold(self) -> None:
        """The bus is closing: keep reports for `release`, which is called inside `stop`."""
        with self._lock:
            self._held = []

    async def release(self) -> None:
        """Publish what was held, and report nowhere from now on."""
        with self._lock:
            held, self._held = self._held or [], None
            bus = None if self._bus is None else self._bus()
            self._bus = None
        for report in held:
            if bus is None:
                continue
            try:
                await bus.publish(report)
            except BuswayError as error:  # it was closed before this was stopped
                _log.debug(_UNPUBLISHED, error)

    def report(self, channel: str, reason: str) -> None:
        """Publish a report; called by the delivery's thread, which does not wait for it."""
        payload = {
            "severity": "critical",
            "component": channel,
            "message": f"notifications are not delivered through {channel}: {reason}",
            "handler": self._name,
        }
        event = Event(EventType.ERROR_OCCURRED, payload, source=SOURCE)
        with self._lock:
            if self._held is not None:
                self._held.append(event)
                return
            bus = None if self._bus is None else self._bus()
        if bus is None:
            return
        try:
            bus.publish_threadsafe(event)
        except (BuswayError, RuntimeError) as error:  # it is closing, say; the log has it anyway
            _log.debug(_UNPUBLISHED, error)
