"""A handler of the application: found by its entry point, like any other plugin's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway import Event, EventBus, EventHandler, EventType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Welcome"]


class Welcome(EventHandler):
    """Welcomes new users, and publishes that it did.

    What it publishes has the correlation id of the request: Busway hands it on.
    """

    def __init__(self) -> None:
        self._bus: EventBus | None = None
        self._welcomed = 0

    @property
    def event_types(self) -> list[EventType]:
        """New users."""
        return [EventType.USER_CREATED]

    async def start(self, bus: EventBus) -> None:
        """Publish on this bus."""
        self._bus = bus

    async def handle(self, event: Event) -> None:
        """Welcome a user."""
        welcomed = {"action": "welcomed", "name": event.payload["name"]}
        bus = self._bus or EventBus.get_instance()  # a bus need not be started
        await bus.publish(Event(EventType.AUDIT_LOG, welcomed, source="welcome"))
        self._welcomed += 1

    async def stop(self) -> None:
        """Let go of the bus."""
        self._bus = None

    def health(self) -> Mapping[str, int]:
        """How many were welcomed."""
        return {"welcomed": self._welcomed}
