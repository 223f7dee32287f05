"""A versioned register: what a reader may see, and what it may not.

A read returns at least the highest version whose publish was complete when the read began.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from tests.cache.stepping import step

from busway import Event, EventBus
from busway_cache import CacheInvalidationHandler

__all__ = ["KEY", "PlainCache", "Reads", "Register"]

KEY = "user:7"


class Reads(Protocol):
    """What reads through."""

    def get_or_load(
        self, key: str, loader: Callable[[], Awaitable[int]]
    ) -> Coroutine[object, object, int]: ...


class PlainCache:
    """The plain scheme: load what is not there and store it; delete it when an event arrives."""

    capabilities = frozenset({"keys"})

    def __init__(self) -> None:
        self._entries: dict[str, int] = {}

    async def get_or_load(self, key: str, loader: Callable[[], Awaitable[int]]) -> int:
        if key not in self._entries:
            self._entries[key] = await loader()
        return self._entries[key]

    async def invalidate(
        self, *, keys: tuple[str, ...] = (), tags: object = (), patterns: object = ()
    ) -> None:
        for key in keys:
            self._entries.pop(key, None)


class Register:
    """The data, its readers and writers, and the count of reads that saw what they may not.

    Attributes:
        version: of the data.
        complete: the highest version whose publish was complete.
        reads: how many there were.
        stale: how many returned less than they may.
    """

    def __init__(self) -> None:
        self.version = 0
        self.complete = 0
        self.reads = 0
        self.stale = 0

    async def load(self) -> int:
        """What a loader does: others may come between before and after it reads."""
        await step()
        version = self.version
        await step()
        return version

    async def read(self, cache: Reads, times: int = 1) -> None:
        """Read, and compare with what was complete when it began."""
        for _ in range(times):
            await step()
            least = self.complete
            value = await cache.get_or_load(KEY, self.load)
            self.reads += 1
            self.stale += value < least

    async def write(self, bus: EventBus, times: int = 1, *, ok: bool = True) -> None:
        """Change the data, and publish that it was.

        Args:
            bus: with the handler on it.
            times: how often.
            ok: whether only a publish that was ok is complete. To readers of the same process one
                that was not is, too: they are kept from the cache.
        """
        for _ in range(times):
            await step()
            self.version += 1
            version = self.version
            await step()
            result = None
            try:
                result = await bus.publish(Event("user.updated", {"user_id": 7}))
            finally:
                if (result is not None and result.ok) or not ok:
                    self.complete = max(self.complete, version)

    @staticmethod
    def bus(cache: object) -> EventBus:
        """A bus with a handler that invalidates a cache."""
        bus = EventBus()
        bus.subscribe(CacheInvalidationHandler(cache=cache))
        return bus
