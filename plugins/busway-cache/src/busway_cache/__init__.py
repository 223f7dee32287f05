"""Busway's cache invalidation: no read that starts after a publish sees older data."""

from busway_cache.cache import Cache, Capability, InvalidationError
from busway_cache.handler import CacheInvalidationHandler
from busway_cache.loading import LoadingCache
from busway_cache.mapping import MappingCache
from busway_cache.memory import MemoryCache

__all__ = [
    "Cache",
    "CacheInvalidationHandler",
    "Capability",
    "InvalidationError",
    "LoadingCache",
    "MappingCache",
    "MemoryCache",
]
