"""A cache that loads what it lacks, and never keeps what an invalidation has overtaken."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, TypeVar, cast

from busway_cache._counts import Counts
from busway_cache._debt import Debt
from busway_cache._flights import ABANDONED, Flights
from busway_cache._look import MISS
from busway_cache._settings import lifetime, seconds
from busway_cache.cache import Capability

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from busway_cache._look import Look

__all__ = ["LoadingCache"]

_log = logging.getLogger("busway.cache")
_T = TypeVar("_T")


class LoadingCache(ABC):
    """Reads through: what it lacks it loads, once for all who ask at the same time.

    Deleting an entry when its data changes is not enough: a load that began before the change
    stores the old value after the delete. So a token is taken before each load, an invalidation
    voids it, and the value is kept only if it still holds. Loads are shared by key and token, so
    that a reader who starts after an invalidation joins no load that started before it.

    It fails closed: when an invalidation fails, or its task is cancelled in it, nothing cached is
    served until a flush, which drops everything, has succeeded. Reads go to their loaders until
    then; the next invalidation, and at most every `retry_after` seconds a read, try to flush. A
    look that takes too long is no such failure: reads pass the cache by for `retry_after` seconds.

    Cancellation: passes. Whoever waits for the load of one that is cancelled loads anew.
    Threads: any, and any number of loops.
    Source: the race is described in django-cacheops' pull request 302 and aiocache's issue 95.

    Args:
        ttl: seconds from before its load for which a value may be kept; None for no limit.

    Attributes:
        capabilities: what `invalidate` can do.
        shared: whether others see its entries: what fails here is stale there.
        retry_after: seconds between tries of reads to flush.
    """

    capabilities: frozenset[Capability] = frozenset()
    shared: bool = False
    retry_after: float = 1.0

    def __init__(self, *, ttl: float | None) -> None:
        self._ttl = lifetime(ttl)
        self._flights = Flights()
        self._counts = Counts("hits", "loads", "joined", "bypassed", "flushes", "unkept")
        self._debt = Debt()
        self._slow = False  # the last look took too long
        self._retry_at = 0.0

    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[_T]],
        *,
        tags: Collection[str] = (),
        ttl: float | None = None,
    ) -> _T:
        """The value of a key, loaded if it is not cached.

        Args:
            key: what invalidations call it.
            loader: loads the value, None among them; its task is the caller's. It must read the
                data anew when called, not before.
            tags: that the value shall bear; those who read a key name the same ones.
            ttl: seconds that it may be kept, instead of the cache's; the shorter one counts.

        Raises:
            Exception: what the loader raised; that is not cached, and reaches all who waited.
            ValueError: if there are tags and it can do none, or the ttl is none.
        """
        self._check(keys=(key,), tags=tags)
        tags = tuple(tags)
        kept_for = self._lifetime(ttl)
        while await self._usable():
            look = await self._try_to_look(key, tags)
            if look is None:
                break
            if look.value is not MISS:
                self._counts.add("hits")
                return cast("_T", look.value)
            load = partial(self._load, key, loader, look, tags, kept_for)
            value = await self._flights.run((key, tags, look.token), load, self._count_joined)
            if value is not ABANDONED:
                return cast("_T", value)
        self._counts.add("bypassed")
        return await loader()

    async def invalidate(
        self,
        *,
        keys: Collection[str] = (),
        tags: Collection[str] = (),
        patterns: Collection[str] = (),
    ) -> None:
        """Drop entries; when it returns, no read that starts sees one of them.

        Cancellation: counts as a failure: it is not known what was dropped.

        Raises:
            ValueError: if it cannot do tags or patterns and there are some.
            Exception: if it failed; nothing cached is served until a flush succeeds.
        """
        self._check(keys=keys, tags=tags, patterns=patterns)
        if not self.usable:
            await self.clear()  # it drops what was kept here; not what others have written there
        await self._debt.guard(partial(self._drop, tuple(keys), tuple(tags), tuple(patterns)))

    async def clear(self) -> None:
        """Drop everything.

        Raises:
            Exception: if it failed, as with `invalidate`.
        """
        self._counts.add("flushes")
        await self._debt.settle(self._flush)

    async def recover(self) -> bool:
        """Try the flush that is owed; whether the cache is served again."""
        if self.usable:
            return True
        try:
            await self.clear()
        except Exception as error:  # noqa: BLE001 - it is told by the answer, and tried again
            _log.debug("the cache cannot be flushed yet: %s", type(error).__name__)
        return self.usable

    async def close(self) -> None:  # noqa: B027 - optional
        """Let go of connections."""

    @property
    def usable(self) -> bool:
        """Whether what is cached is served: no flush is owed."""
        return not self._debt.owed

    def health(self) -> Mapping[str, int | str]:
        """Counts since it was made, and `state`: `serving` or `bypassed`."""
        serves = self.usable and not self._slow
        return {**self._counts.read(), "state": "serving" if serves else "bypassed"}

    @abstractmethod
    async def _look(self, key: str, tags: Collection[str]) -> Look:
        """The token and the value of a key, in one step."""

    @abstractmethod
    async def _keep(
        self,
        key: str,
        value: object,
        look: Look,
        tags: tuple[str, ...],
        kept_for: float | None,
    ) -> None:
        """Keep a value if its token still holds, in one step.

        Args:
            key: of the entry.
            value: to keep.
            look: what `_look` gave before it was loaded.
            tags: that it bears.
            kept_for: seconds after that look; None for no limit.
        """

    @abstractmethod
    async def _drop(
        self, keys: tuple[str, ...], tags: tuple[str, ...], patterns: tuple[str, ...]
    ) -> None:
        """Void the tokens, and remove the entries."""

    @abstractmethod
    async def _flush(self) -> None:
        """Void all tokens, and see that no entry is served again."""

    async def _load(
        self,
        key: str,
        loader: Callable[[], Awaitable[object]],
        look: Look,
        tags: tuple[str, ...],
        kept_for: float | None,
    ) -> object:
        self._counts.add("loads")
        value = await loader()
        await self._keep(key, value, look, tags, kept_for)
        return value

    async def _try_to_look(self, key: str, tags: Collection[str]) -> Look | None:
        try:
            look = await self._look(key, tags)
        except TimeoutError:  # it may have too much to do: nothing is lost, so nothing is flushed
            self._slow, self._retry_at = True, monotonic() + self.retry_after
            return None
        except Exception as error:  # noqa: BLE001 - a cache that cannot be asked is no reason to fail
            self._debt.owe(error)
            return None
        self._slow = False
        return look

    async def _usable(self) -> bool:
        if self.usable and not self._slow:
            return True
        now = monotonic()
        if now < self._retry_at:  # one read at a time finds out, while the others go on
            return False
        self._retry_at = now + self.retry_after
        return await self.recover()

    def _count_joined(self) -> None:
        self._counts.add("joined")

    def _lifetime(self, ttl: float | None) -> float | None:
        if ttl is None:
            return self._ttl
        return seconds("ttl", ttl) if self._ttl is None else min(self._ttl, seconds("ttl", ttl))

    def _check(self, **asked: Collection[str]) -> None:
        for name, wanted in asked.items():
            if isinstance(wanted, str):
                raise TypeError(f"{name}: a collection of str is expected, not a str")
            if not all(isinstance(one, str) for one in wanted):
                raise TypeError(f"{name}: a collection of str is expected")
            if wanted and Capability(name) not in self.capabilities:
                raise ValueError(f"{name}: {type(self).__name__} can do none")
