"""Busway's cache invalidation: no read that starts after a publish sees older data."""

from busway_cache.cache import Cache, Capability
from busway_cache.loading import LoadingCache
from busway_cache.local import MappingCache, MemoryCache

__all__ = [
    "Cache",
    "Capability",
    "LoadingCache",
    "MappingCache",
    "MemoryCache",
]
