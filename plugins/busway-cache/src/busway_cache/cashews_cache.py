"""A cache of cashews: what it has stored is dropped, and read through by tokens of our own."""

from __future__ import annotations

import secrets
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from busway_cache._generations import Generations
from busway_cache._globs import stars_alone
from busway_cache._look import MISS, Look
from busway_cache.cache import Capability
from busway_cache.loading import LoadingCache

if TYPE_CHECKING:
    from collections.abc import Collection

    import cashews

__all__ = ["CashewsCache"]

_MARK = "busway1"


class CashewsCache(LoadingCache):
    """A cache of cashews, by keys, tags and patterns.

    What the application's own decorators have stored is dropped; but what they were computing
    then, they store all the same: only reads by `get_or_load` are kept from that. Its entries
    carry the generations that they were loaded in, and are valid as long as those are current,
    whatever cashews was able to delete. They are the entries of this process: another's count as
    none. For several processes that share entries, use `RedisCache`.

    Threads: as the backend allows; that of redis belongs to one loop.

    Args:
        cache: a `cashews.Cache` that is set up.
        ttl: seconds from before its load for which a value is kept; None for no limit.

    Raises:
        ValueError: if its redis backend swallows errors (cashews' default): a failed deletion would
            look like one that succeeded. Set it up with `suppress=False`.
    """

    capabilities: frozenset[Capability] = frozenset(Capability)

    def __init__(self, cache: cashews.Cache, *, ttl: float | None = 300.0) -> None:
        super().__init__(ttl=ttl)
        for backend in getattr(cache, "_backends", {}).values():
            if getattr(backend, "_client_class", type).__name__.startswith("Safe"):
                raise ValueError(
                    "cashews swallows the errors of its redis backend, so what it fails to delete "
                    "would be served as if it were deleted: set it up with suppress=False"
                )
        self._cache = cache
        self._lock = Lock()
        self._generations = Generations()
        self._name = secrets.token_hex(8)

    async def close(self) -> None:
        """Let cashews close its backends."""
        await self._cache.close()

    async def _look(self, key: str, tags: Collection[str]) -> Look:
        with self._lock:  # before the entry is read: what voids it from now on voids the token
            token, now = self._generations.token(key, tags), monotonic()
        entry = await self._cache.get(key, default=None)
        return Look(token, self._valid(key, entry), now)

    async def _keep(
        self,
        key: str,
        value: object,
        look: Look,
        tags: tuple[str, ...],
        kept_for: float | None,
    ) -> None:
        left = None if kept_for is None else look.at + kept_for - monotonic()
        if left is not None and left <= 0:
            return
        entry = (_MARK, self._name, look.token, tags, value)
        try:
            await self._cache.set(key, entry, expire=left, tags=tags)
        except Exception:  # noqa: BLE001 - the value is good, it is only not kept
            self._counts.add("unkept")

    async def _drop(
        self, keys: tuple[str, ...], tags: tuple[str, ...], patterns: tuple[str, ...]
    ) -> None:
        with self._lock:
            self._generations.bump(keys, tags)
            if patterns:
                self._generations.bump_all()
        if keys:
            await self._cache.delete_many(*keys)
        if tags:
            await self._cache.delete_tags(*tags)
        for pattern in patterns:
            await self._cache.delete_match(stars_alone(pattern))

    async def _flush(self) -> None:
        with self._lock:
            self._generations.bump_all()

    def _valid(self, key: str, entry: object) -> object:
        if not (isinstance(entry, tuple | list) and len(entry) == 5 and entry[0] == _MARK):
            return MISS
        _, name, token, tags, value = entry
        with self._lock:
            current = self._generations.token(key, tags)
        return value if name == self._name and tuple(token) == current else MISS
