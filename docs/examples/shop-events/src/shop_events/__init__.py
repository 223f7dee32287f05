"""The orders of a shop: its event types, and the handler that keeps its stock."""

from shop_events.events import ShopEvent, order_placed
from shop_events.stock import Stock

__all__ = ["ShopEvent", "Stock", "order_placed"]
