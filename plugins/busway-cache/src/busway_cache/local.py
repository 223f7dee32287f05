"""What caches in the memory of one process have in common: a lock, and generations under it."""

from __future__ import annotations

import logging
from abc import abstractmethod
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, TypeVar, cast

from busway_cache._generations import Generations
from busway_cache._globs import matching
from busway_cache._look import MISS, Look
from busway_cache.loading import LoadingCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable
    from contextlib import AbstractContextManager

__all__ = ["LocalCache"]

_log = logging.getLogger("busway.cache")
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
