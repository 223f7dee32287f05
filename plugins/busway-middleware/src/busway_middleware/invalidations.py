"""The types of event that make caches forget, which no middleware drops by default."""

from __future__ import annotations

from typing import Final

from busway.events import EventType

__all__ = ["INVALIDATIONS"]

INVALIDATIONS: Final[tuple[str, ...]] = (
    EventType.USER_UPDATED.value,
    EventType.USER_DELETED.value,
    EventType.ITEM_UPDATED.value,
    EventType.ITEM_DELETED.value,
    EventType.CACHE_INVALIDATED.value,
)
"""The default of the settings `exempt`: without one of them, a cache would serve what is stale."""
