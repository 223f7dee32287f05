"""What a rule is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from busway.events import Event, EventType
    from busway_notify.notification import Draft, Kind

__all__ = ["Rule"]


class Rule(Protocol):
    """Decides which events of one type are worth a notification, and writes it.

    Threads: its methods are called from any thread.
    """

    @property
    def kind(self) -> Kind:
        """What it writes."""

    @property
    def event_type(self) -> EventType:
        """What it reads."""

    def consider(self, event: Event) -> Draft | None:
        """The notification that an event calls for, if it does; what is not sent is counted.

        Whatever the payload's values are, it raises nothing.
        """

    def health(self) -> Mapping[str, int]:
        """Its counts by name; those that several rules have are added up."""
