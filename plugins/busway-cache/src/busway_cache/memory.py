"""The embedded cache: a bounded number of entries in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from busway_cache._look import MISS
from busway_cache._settings import whole_number
from busway_cache.cache import Capability
from busway_cache.local import LocalCache

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["MemoryCache"]

_MOST: Final = 100_000_000  # entries; a limit that is not reached is no limit


class _Entry(NamedTuple):
    value: object
    tags: tuple[str, ...]
    deadline: float | None


class MemoryCache(LocalCache):
    """The embedded cache: a bounded number of entries, the least recently used given up first.

    Args:
        max_entries: how many values are kept.
        ttl: seconds from before its load for which a value is kept; None for no limit.

    Raises:
        ValueError: if one of them is out of range.

    >>> import asyncio
    >>> async def load():
    ...     return {"name": "Ada"}
    >>> cache = MemoryCache(max_entries=100)
    >>> asyncio.run(cache.get_or_load("user:7", load))
    {'name': 'Ada'}
    """

    capabilities: frozenset[Capability] = frozenset(Capability)

    def __init__(self, *, max_entries: int = 10_000, ttl: float | None = None) -> None:
        super().__init__(ttl=ttl)
        self._max_entries = whole_number("max_entries", max_entries, most=_MOST)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._by_tag: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def health(self) -> dict[str, int | str]:
        """The counts of `LoadingCache`, and `entries`."""
        return {**super().health(), "entries": len(self._entries)}

    def _get(self, key: str) -> object:
        entry = self._entries.get(key)
        if entry is None:
            return MISS
        if entry.deadline is not None and entry.deadline <= monotonic():
            self._remove(key)
            return MISS
        self._entries.move_to_end(key)
        return entry.value

    def _put(self, key: str, value: object, tags: tuple[str, ...], deadline: float | None) -> None:
        self._remove(key)
        while len(self._entries) >= self._max_entries:
            self._remove(next(iter(self._entries)))
        self._entries[key] = _Entry(value, tags, deadline)
        for tag in tags:
            self._by_tag.setdefault(tag, set()).add(key)

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        for tag in entry.tags if entry else ():
            bearers = self._by_tag.get(tag, set())
            bearers.discard(key)
            if not bearers:
                self._by_tag.pop(tag, None)

    def _remove_all(self) -> None:
        self._entries.clear()
        self._by_tag.clear()

    def _keys(self) -> Iterable[object]:
        return self._entries

    def _tagged(self, tags: tuple[str, ...]) -> Collection[str]:
        return {key for tag in tags for key in self._by_tag.get(tag, ())}
