"""The handler: events to what they make untrue, and that out of the cache."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Literal

from busway.bus import EventBus
from busway.events import Event, EventType
from busway.handlers import AnyType, EventHandler
from busway_cache._capabilities import able_to
from busway_cache._counts import Counts
from busway_cache._mending import Mender
from busway_cache._opening import open_cache
from busway_cache._settings import seconds
from busway_cache._templates import Drop, Templates
from busway_cache.cache import Cache, Capability, InvalidationError
from busway_cache.loading import LoadingCache

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["CacheInvalidationHandler"]

_log = logging.getLogger("busway.cache")

_USER: Final = ["user:{user_id}"]
_ITEM: Final = ["item:{entity_type}:{entity_id}"]
_KEYS: Final[Mapping[str, list[str]]] = {
    EventType.USER_UPDATED: _USER,
    EventType.USER_DELETED: _USER,
    EventType.ITEM_UPDATED: _ITEM,
    EventType.ITEM_DELETED: _ITEM,
}


class CacheInvalidationHandler(EventHandler):
    """Drops from a cache what an event makes untrue, then publishes `CACHE_INVALIDATED`.

    When `publish` has returned a result that is ok, no read by the cache's `get_or_load` that
    starts in this process sees older data. Publish after the change is committed; handlers of the
    same event that are subscribed before this one may still read older data.

    A failure, a timeout and a cancellation are its outcome, so that the result is not ok; a cache
    of ours serves nothing then until it is flushed.

    Ordering: the cache is told, then `CACHE_INVALIDATED` is published and awaited.
    Cancellation: passes; it counts as a failure.
    Threads: one handler may be called from several loops in several threads at once.

    Args:
        cache: a URL, or what an application has; None for one in memory. The README lists them.
        keys: templates of keys by type of event, in place of the default ones of that type; an
            empty list for none.
        tags: templates of tags by type of event.
        patterns: templates of globs of keys by type of event.
        timeout: seconds for the cache to be told.

    Raises:
        ValueError: if a setting is not as described, or the cache cannot do what another asks for.

    >>> import asyncio
    >>> from busway_cache import CacheInvalidationHandler
    >>> users = {"user:7": "Ada"}
    >>> handler = CacheInvalidationHandler(cache=users)
    >>> asyncio.run(handler.handle(Event("user.updated", {"user_id": 7})))
    >>> users
    {}
    """

    def __init__(
        self,
        *,
        cache: object = None,
        keys: dict[str, list[str]] | None = None,
        tags: dict[str, list[str]] | None = None,
        patterns: dict[str, list[str]] | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._templates = Templates(
            {
                Capability.KEYS: _with_defaults(keys),
                Capability.TAGS: {} if tags is None else tags,
                Capability.PATTERNS: {} if patterns is None else patterns,
            }
        )
        self._timeout = seconds("timeout", timeout)
        self._cache, self._is_ours = open_cache(cache)
        self._able = able_to(self._cache, self._templates)
        self._counts = Counts("invalidations", "failed_invalidations", "cleared_namespaces")
        self._mender: Mender | None = None
        if isinstance(self._cache, LoadingCache) and self._cache.shared:
            self._mender = Mender(self._cache, patience=self._timeout)
        self._bus: EventBus | None = None

    @property
    def cache(self) -> Cache:
        """The cache: that of the setting, or what was made of it."""
        return self._cache

    @property
    def event_types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """Those that have a template."""
        return self._templates.event_types

    async def start(self, bus: EventBus) -> None:
        """Publish on this bus from now on, and look after a cache that others share."""
        self._bus = bus
        if self._mender is not None:
            self._mender.start()

    async def stop(self) -> None:
        """Publish no more, and close what was opened."""
        self._bus = None
        if self._mender is not None:
            await self._mender.stop()
        if self._is_ours and isinstance(self._cache, LoadingCache):
            await self._cache.close()

    async def handle(self, event: Event) -> None:
        """Drop what the event makes untrue, and tell.

        Raises:
            InvalidationError: if the cache failed, or took longer than `timeout`.
            MiddlewareError, PublishDepthError: of `CACHE_INVALIDATED`; the cache is up to date.
        """
        drop = self._templates.drop(event, patterns=Capability.PATTERNS in self._able)
        if drop.lacking:
            self._report(event, drop)
        try:
            async with asyncio.timeout(self._timeout):
                await self._invalidate(drop)
        except Exception as error:
            self._counts.add("failed_invalidations")
            raise _failure(event, drop, error) from error
        except BaseException:
            self._counts.add("failed_invalidations")
            raise
        self._counts.add("invalidations")
        await self._tell(drop)

    def health(self) -> Mapping[str, int | str]:
        """Counts since it was built, those of a cache of ours among them."""
        of_cache = self._cache.health() if isinstance(self._cache, LoadingCache) else {}
        return {**self._counts.read(), **of_cache}

    async def _invalidate(self, drop: Drop) -> None:
        if drop.everything:
            await self._clear()
        wanted = {kind.value: tuple(names) for kind, names in drop.names.items() if names}
        if wanted:
            await self._cache.invalidate(**wanted)

    async def _clear(self) -> None:
        clear = getattr(self._cache, "clear", None)
        if callable(clear):
            await clear()
        elif Capability.PATTERNS in self._able:
            await self._cache.invalidate(patterns=("*",))
        else:
            raise InvalidationError(
                f"{type(self._cache).__name__} can neither drop a namespace nor clear(): give it "
                "one of the two, or publish events with all that the templates name"
            )

    async def _tell(self, drop: Drop) -> None:
        bus = self._bus or self._shared_bus()
        if bus is None:
            return
        names = {kind.value: list(named) for kind, named in drop.names.items()}
        if drop.everything:
            names[Capability.PATTERNS.value] = ["*"]
        told = Event(EventType.CACHE_INVALIDATED, names, source="busway.cache")
        await bus.publish(told)

    def _shared_bus(self) -> EventBus | None:
        """The bus of a handler that was not started, if it can be known."""
        shared = EventBus.get_instance()
        return shared if any(one is self for one in shared.handlers) else None

    def _report(self, event: Event, drop: Drop) -> None:
        self._counts.add("cleared_namespaces", len(drop.lacking))
        _log.warning(
            "%s %s lacks what %s needs: %s is cleared instead",
            event.type,
            event.id[:64],
            ", ".join(drop.lacking),
            "everything" if drop.everything else "the namespace",
        )


def _with_defaults(keys: object) -> object:
    """The table, what is none included: it is refused like those of other settings."""
    return {**_KEYS, **keys} if isinstance(keys, Mapping) else _KEYS if keys is None else keys


def _failure(event: Event, drop: Drop, error: Exception) -> InvalidationError:
    count = sum(map(len, drop.names.values())) + drop.everything
    why = "it took too long" if isinstance(error, TimeoutError) else type(error).__name__
    return InvalidationError(
        f"{count} of what {event.type} made untrue may still be in the cache: {why}",
        event_id=event.id,
        keys=drop.names[Capability.KEYS],
        tags=drop.names[Capability.TAGS],
        patterns=drop.names[Capability.PATTERNS],
    )
