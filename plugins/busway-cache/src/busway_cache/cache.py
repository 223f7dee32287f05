"""What a cache is to the handler: something that can be told to drop what is no longer true.

* InvalidationError
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from busway.exceptions import BuswayError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Cache", "Capability", "InvalidationError"]


class Capability(StrEnum):
    """By what a cache can be told to drop entries."""

    KEYS = "keys"
    TAGS = "tags"
    PATTERNS = "patterns"


@runtime_checkable
class Cache(Protocol):
    """Drops entries when told to; an object of one can stand in the setting `cache`.

    One that has an async `clear()` too is asked for that where an event does not say what has
    changed, and it can do no patterns.
    """

    @property
    def capabilities(self) -> Collection[str]:
        """What `invalidate` can do: some of `Capability`, read when the handler is built."""

    async def invalidate(
        self,
        *,
        keys: Collection[str] = (),
        tags: Collection[str] = (),
        patterns: Collection[str] = (),
    ) -> None:
        """Drop entries; to return means that no read that starts now sees one of them.

        Args:
            keys: of entries.
            tags: all entries that bear one of them.
            patterns: globs (`*`, `?`, `[...]`, `[!...]`) of keys.

        Raises:
            Exception: if one of them may still be served.
        """


class InvalidationError(BuswayError):
    """A cache was not told, or not in time, what an event made untrue.

    Why is its `__cause__`. The message names no key: keys are made of payloads.

    Attributes:
        event_id: the id of the event.
        keys: what was to be dropped.
        tags: the same.
        patterns: the same.
    """

    def __init__(
        self,
        reason: str,
        *,
        event_id: str = "",
        keys: Collection[str] = (),
        tags: Collection[str] = (),
        patterns: Collection[str] = (),
    ) -> None:
        super().__init__(reason)
        self.event_id: str = event_id
        self.keys: tuple[str, ...] = tuple(keys)
        self.tags: tuple[str, ...] = tuple(tags)
        self.patterns: tuple[str, ...] = tuple(patterns)
