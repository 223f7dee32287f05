"""The domain's event types, and what stands in their payloads."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from busway import Event, register_event_types

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ShopEvent", "order_placed"]


@register_event_types  # for those who import it; for all others the entry point does
class ShopEvent(StrEnum):
    """What happens to an order. In each payload stands its number, as `order`."""

    ORDER_PLACED = "order.placed"
    """Also `items`: how many of each."""
    ORDER_ACCEPTED = "order.accepted"
    """The items are set aside."""
    ORDER_REFUSED = "order.refused"
    """Also `missing`: how many of each."""


def order_placed(order: str, items: Mapping[str, int]) -> Event:
    """An order comes in: to be published by who takes orders.

    Raises:
        ValueError: if it orders nothing, or less than one of an item.
    """
    if not items or min(items.values()) < 1:
        raise ValueError(f"order {order}: one of an item is the least that can be ordered")
    return Event(ShopEvent.ORDER_PLACED, {"order": order, "items": dict(items)}, source="shop")
