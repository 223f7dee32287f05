"""A mapping of the application's as a cache: a dict, or one of cachetools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway_cache._look import MISS
from busway_cache.cache import Capability
from busway_cache.local import LocalCache

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from contextlib import AbstractContextManager

__all__ = ["MappingCache"]


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
