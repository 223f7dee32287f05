"""Caches in the memory of one process: the embedded one, and mappings that an application has."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from busway_cache._generations import Generations
from busway_cache._globs import matching
from busway_cache._settings import whole_number
from busway_cache.cache import Capability
from busway_cache.loading import MISS, LoadingCache, Look

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
    from contextlib import AbstractContextManager

__all__ = ["LocalCache", "MappingCache", "MemoryCache"]

_log = logging.getLogger("busway.cache")
_MOST: Final = 100_000_000  # entries; a limit that is not reached is no limit
_T = TypeVar("_T")


class LocalCache(LoadingCache):
    """Looks, keeps and drops under one lock, which no one holds while waiting.

    Args:
        lock: what else changes the entries holds it, too.
        ttl: as `LoadingCache` takes it.
    """

    def __init__(
        self, *, lock: AbstractContextManager[object] | None = None, ttl: float | None = None
    ) -> None:
        super().__init__(ttl=ttl)
        self._lock: AbstractContextManager[object] = Lock() if lock is None else lock
        self._generations = Generations()
        self._hits = 0

    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[_T]],
        *,
        tags: Collection[str] = (),
        ttl: float | None = None,
    ) -> _T:
        """As `LoadingCache` does; a hit is one look, without a token."""
        if self.usable:
            try:
                with self._lock:
                    value = self._get(key)
                    if value is not MISS:
                        self._hits += 1  # the counts' own lock would cost as much again
                        return cast("_T", value)
            except Exception as error:  # noqa: BLE001 - the longer way tells, if it fails there, too
                _log.debug("a look failed: %s", type(error).__name__)
        return await super().get_or_load(key, loader, tags=tags, ttl=ttl)

    def health(self) -> dict[str, int | str]:
        """The counts of `LoadingCache`."""
        return {**super().health(), "hits": self._hits + self._counts.read()["hits"]}

    async def _look(self, key: str, tags: Collection[str]) -> Look:
        with self._lock:
            return Look(self._generations.token(key, tags), self._get(key), monotonic())

    async def _keep(
        self,
        key: str,
        value: object,
        look: Look,
        tags: tuple[str, ...],
        kept_for: float | None,
    ) -> None:
        deadline = None if kept_for is None else look.at + kept_for
        with self._lock:
            if self._generations.token(key, tags) != look.token:
                return
            try:
                self._put(key, value, tags, deadline)
            except Exception:  # noqa: BLE001 - too large for it, say: the value is good all the same
                self._counts.add("unkept")

    async def _drop(
        self, keys: tuple[str, ...], tags: tuple[str, ...], patterns: tuple[str, ...]
    ) -> None:
        with self._lock:
            self._generations.bump(keys, tags)
            if patterns:  # which loads on their way match is not known: none of them is kept
                self._generations.bump_all()
            for key in (*keys, *self._tagged(tags), *matching(self._keys(), patterns)):
                self._remove(key)

    async def _flush(self) -> None:
        with self._lock:
            self._generations.bump_all()
            self._remove_all()

    @abstractmethod
    def _get(self, key: str) -> object:
        """The value of a key, or MISS."""

    @abstractmethod
    def _put(
        self, key: str, value: object, tags: tuple[str, ...], deadline: float | None
    ) -> None: ...

    @abstractmethod
    def _remove(self, key: str) -> None:
        """Remove an entry, if it is there."""

    @abstractmethod
    def _remove_all(self) -> None: ...

    @abstractmethod
    def _keys(self) -> Iterable[object]: ...

    def _tagged(self, tags: tuple[str, ...]) -> Collection[str]:  # noqa: ARG002 - where there are none
        """The keys of the entries that bear one of the tags."""
        return ()


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


class MappingCache(LocalCache):
    """A mapping that the application has: a dict, or a cache of cachetools, under its lock.

    Values stand in it as they are, so that the application may read it by itself; what it puts
    there by itself is served as it is. Bounds and lifetimes are the mapping's own, and it knows no
    tags.

    Args:
        mapping: of values by key.
        lock: what the application holds when it uses the mapping, the `lock` of
            `cachetools.cached` say; needed only where other threads do. It is held for moments.

    >>> users = {"user:7": "Ada"}
    >>> cache = MappingCache(users)
    >>> import asyncio
    >>> asyncio.run(cache.invalidate(keys=["user:7"]))
    >>> users
    {}
    """

    capabilities: frozenset[Capability] = frozenset({Capability.KEYS, Capability.PATTERNS})

    def __init__(
        self,
        mapping: MutableMapping[str, object],
        *,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        super().__init__(lock=lock)
        self._mapping = mapping

    def _get(self, key: str) -> object:
        return self._mapping.get(key, MISS)

    def _put(self, key: str, value: object, tags: tuple[str, ...], deadline: float | None) -> None:  # noqa: ARG002
        self._mapping[key] = value

    def _remove(self, key: str) -> None:
        self._mapping.pop(key, None)

    def _remove_all(self) -> None:
        self._mapping.clear()

    def _keys(self) -> Iterable[object]:
        return self._mapping

    def _lifetime(self, ttl: float | None) -> float | None:
        if ttl is not None:
            raise ValueError("ttl: the mapping keeps values as long as it does")
        return None
