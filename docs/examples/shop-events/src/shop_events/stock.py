"""The stock: answers an order that was placed by another event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from busway import Event, EventBus, EventHandler

from shop_events.events import ShopEvent

__all__ = ["Stock"]


class Stock(EventHandler):
    """Sets aside what was ordered, or refuses the order, and publishes which.

    The answer is caused by the order: Busway notes so, and hands on the correlation id.

    Args:
        items: how many of each there are.
    """

    def __init__(self, items: Mapping[str, int] | None = None) -> None:
        self._items: Counter[str] = Counter(items or {})
        self._bus: EventBus | None = None
        self._answers: Counter[str] = Counter()

    @property
    def event_types(self) -> list[ShopEvent]:
        """Orders that come in."""
        return [ShopEvent.ORDER_PLACED]

    async def start(self, bus: EventBus) -> None:
        """Answer on this bus."""
        self._bus = bus

    async def handle(self, event: Event) -> None:
        """Answer an order. What is set aside is so before anything is waited for."""
        wanted: Counter[str] = Counter(event.payload["items"])
        answer: dict[str, object] = {"order": event.payload["order"]}
        missing = wanted - self._items
        if missing:
            answer["missing"] = dict(missing)
        else:
            self._items -= wanted
        kind = ShopEvent.ORDER_REFUSED if missing else ShopEvent.ORDER_ACCEPTED
        self._answers[kind] += 1
        bus = self._bus or EventBus.get_instance()  # a bus need not be started
        await bus.publish(Event(kind, answer, source="shop"))

    async def stop(self) -> None:
        """Let go of the bus."""
        self._bus = None

    def health(self) -> Mapping[str, int]:
        """The answers given, and how many things are left."""
        return {**self._answers, "left": self._items.total()}
