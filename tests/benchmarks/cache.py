"""What a hit costs, beside cashews and cachetools: `python -m tests.benchmarks.cache`.

All in one process, in rounds, one contender after another, so that what disturbs one disturbs all;
each figure is the median of its rounds, each ratio that of the ratios within a round. The floor is
a coroutine that looks into a dict. In redis, a plain GET of the same value is the floor.
"""

from __future__ import annotations

import asyncio
import platform
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from threading import Lock
from time import perf_counter
from typing import TypeAlias

import cachetools
import cashews
import redis.asyncio
from tests.cache.servers import RedisServer

from busway_cache import MappingCache, MemoryCache
from busway_cache.cashews_cache import CashewsCache
from busway_cache.redis_cache import RedisCache

__all__ = ["main"]

_Hit: TypeAlias = Callable[[], Awaitable[object]]
_KEY = "user:7"
_VALUE = {"name": "Ada", "mail": "ada@example.org"}


async def _load() -> object:
    return _VALUE


def _floor() -> _Hit:
    entries = {_KEY: _VALUE}

    async def hit() -> object:
        return entries.get(_KEY)

    return hit


def _cachetools() -> _Hit:
    """As its documentation has it for functions that are awaited: by hand, under a lock."""
    entries, lock = cachetools.LRUCache(10_000), Lock()
    entries[_KEY] = _VALUE

    async def hit() -> object:
        with lock:
            return entries.get(_KEY)

    return hit


def _cashews_decorator(cache: cashews.Cache) -> _Hit:
    @cache(ttl="1h", key="shop:{user_id}")
    async def user(user_id: int) -> object:
        return await _load()

    return lambda: user(7)


def _cashews_get(cache: cashews.Cache) -> _Hit:
    return lambda: cache.get_or_set("raw:7", _load, expire="1h")


def _in_memory() -> dict[str, _Hit]:
    shop = cashews.Cache()
    shop.setup("mem://", check_interval=3_600)
    memory, mapping = MemoryCache(), MappingCache({})
    ours = CashewsCache(shop)
    return {
        "a coroutine and a dict": _floor(),
        "cachetools.LRUCache under a lock": _cachetools(),
        "MemoryCache.get_or_load": lambda: memory.get_or_load(_KEY, _load),
        "MappingCache.get_or_load, a dict": lambda: mapping.get_or_load(_KEY, _load),
        "cashews, get_or_set, mem": _cashews_get(shop),
        "cashews, @cache, mem": _cashews_decorator(shop),
        "CashewsCache.get_or_load, mem": lambda: ours.get_or_load(_KEY, _load),
    }


def _in_redis(server: RedisServer) -> dict[str, _Hit]:
    plain = redis.asyncio.Redis(port=server.port)
    shop = cashews.Cache()
    shop.setup(server.url, suppress=False)
    ours = RedisCache(server.url)
    return {
        "redis, a plain GET": lambda: plain.get("shop:7"),
        "RedisCache.get_or_load": lambda: ours.get_or_load(_KEY, _load),
        "cashews, get_or_set, redis": _cashews_get(shop),
        "cashews, @cache, redis": _cashews_decorator(shop),
    }


async def _time(hit: _Hit, loops: int) -> float:
    started = perf_counter()
    for _ in range(loops):
        await hit()
    return (perf_counter() - started) / loops


async def _compare(hits: dict[str, _Hit], rounds: int, loops: int) -> dict[str, list[float]]:
    for hit in hits.values():
        await _time(hit, loops // 4 or 1)  # what is loaded is loaded, and what is warm is warm
    found: dict[str, list[float]] = {name: [] for name in hits}
    for _ in range(rounds):
        for name, hit in hits.items():
            found[name].append(await _time(hit, loops))
    return found


def _table(found: dict[str, list[float]]) -> str:
    floor = next(iter(found.values()))
    lines = ["| a hit in | µs | of the floor |", "|---|---:|---:|"]
    for name, times in found.items():
        ratio = median(one / other for one, other in zip(times, floor, strict=True))
        lines.append(f"| {name} | {median(times) * 1e6:.2f} | {ratio:.1f} |")
    return "\n".join(lines)


def main(rounds: int = 15, loops: int = 20_000) -> int:
    """Measure, and print two tables."""
    print(f"Python {platform.python_version()}, {rounds} rounds of {loops} hits")
    print(_table(asyncio.run(_compare_all(_in_memory, rounds, loops))))
    if RedisServer.program is None:
        print("redis-server is not installed")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder)).start()
        try:
            found = asyncio.run(_compare_all(lambda: _in_redis(server), rounds, loops // 20 or 1))
        finally:
            server.kill()
    print(_table(found))
    return 0


async def _compare_all(
    make: Callable[[], dict[str, _Hit]], rounds: int, loops: int
) -> dict[str, list[float]]:
    return await _compare(make(), rounds, loops)


if __name__ == "__main__":
    sys.exit(main())
