"""Proof that no read is stale: readers, writers and invalidations in every order of their steps.

A read takes up to three steps (it begins, its loader reads the data, its loader returns), a write
two (the data changes, its event is published); each call of a remote store two more (it is sent,
it is answered), and its effect lies between. All orders are run, with the code that is shipped,
and each read is compared with a versioned register. The plain scheme, to delete a key when an
event arrives, is run through the same orders, and must be found out.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial

from tests.cache.register import PlainCache, Register
from tests.cache.stepping import Actors, orders, step

from busway_cache import MappingCache, MemoryCache
from busway_cache.cashews_cache import CashewsCache

__all__ = ["pieces", "run", "sample"]


class Failing(MemoryCache):
    """Its first drop fails, and flushes and drops take a step, like those of a remote store."""

    retry_after = 0.0
    failures = 1

    async def _drop(self, *names: tuple[str, ...]) -> None:
        await step()
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        await super()._drop(*names)

    async def _flush(self) -> None:
        await step()
        await super()._flush()


class Slow(MemoryCache):
    """Its drops take two steps, one before and one after their effect."""

    retry_after = 0.0

    async def _drop(self, *names: tuple[str, ...]) -> None:
        await step()
        await super()._drop(*names)
        await step()


class Remote:
    """What `CashewsCache` asks of cashews: each call is sent, has its effect, and is answered."""

    def __init__(self) -> None:
        self._entries: dict[str, object] = {}

    async def get(self, key: str, default: object) -> object:
        await step()
        found = self._entries.get(key, default)
        await step()
        return found

    async def set(self, key: str, value: object, **_: object) -> None:
        await step()
        self._entries[key] = value
        await step()

    async def delete_many(self, *keys: str) -> None:
        await step()
        for key in keys:
            self._entries.pop(key, None)
        await step()


CACHES: dict[str, Callable[[], object]] = {
    "plain": PlainCache,
    "memory": MemoryCache,
    "mapping": lambda: MappingCache({}),
    "failing": Failing,
    "slow": Slow,
    "cashews": lambda: CashewsCache(Remote()),
}
_SHAPES = {  # readers, reads of each, writers, writes of each
    "one reader twice, two writes": (1, 2, 1, 2),
    "two readers, one write": (2, 1, 1, 1),
    "two readers, two writes": (2, 1, 1, 2),
    "one reader three times, two writes": (1, 3, 1, 2),
    "three readers, one write": (3, 1, 1, 1),
    "two readers twice, one write": (2, 2, 1, 1),
    "two readers, two writers": (2, 1, 2, 1),
    "one reader, two writes": (1, 1, 1, 2),
    "one reader twice, one write": (1, 2, 1, 1),
    "one reader, a cancelled writer": (1, 1, 1, 1),
    "one cancelled reader of two, one write": (2, 1, 1, 1),
    "two readers, a cancelled writer": (2, 1, 1, 1),
}
_LONG = {"three readers, one write", "two readers twice, one write", "two readers, two writers"}
_LEFT_OUT = {  # millions of orders, or a single read, after which there is none to be stale
    "cashews": set(_SHAPES)
    - {
        "one reader, two writes",
        "one reader twice, one write",
        "one reader, a cancelled writer",
    },
    "failing": _LONG,
    "plain": {"one reader, a cancelled writer", "one reader, two writes"},
    "slow": _LONG,
}


def pieces() -> list[str]:
    """A cache, and who reads and writes."""
    return [
        f"{cache}: {shape}"
        for cache in CACHES
        for shape in _SHAPES
        if shape not in _LEFT_OUT.get(cache, ())
    ]


def sample(seed: int) -> list[str]:
    """The plain scheme, and two others of the short ones."""
    short = [one for one in pieces() if not one.startswith(("plain", "cashews"))]
    short = [one for one in short if one.partition(": ")[2] not in _LONG]
    return ["plain: two readers, one write", *random.Random(seed).sample(short, 2)]


def run(piece: str) -> dict[str, int]:
    """All orders of a piece.

    Raises:
        AssertionError: if a read was stale, or none of the plain scheme was.
    """
    cache, _, shape = piece.partition(": ")
    registers: list[Register] = []
    counts: Counter[str] = Counter()
    for steps in orders(partial(_actors, cache, shape, registers)):
        register = registers.pop()
        counts["interleavings"] += 1
        counts["steps"] += steps
        counts["reads"] += register.reads
        counts["stale"] += register.stale
        if cache != "plain":
            assert not register.stale, f"{piece}: a stale read in order {counts['interleavings']}"
    if cache == "plain":
        assert counts["stale"], f"{piece}: the plain scheme was not found out"
        counts = Counter({f"{name} of the plain scheme": one for name, one in counts.items()})
    return dict(counts)


async def _actors(cache: str, shape: str, registers: list[Register]) -> Actors:
    readers, reads, writers, writes = _SHAPES[shape]
    made, register = CACHES[cache](), Register()
    registers.append(register)
    bus = register.bus(made)
    actors: dict[str, Callable[[], Coroutine[object, object, None]]] = {}
    for n in range(readers):
        actors[f"reader {n}"] = partial(register.read, made, reads)
    for n in range(writers):
        actors[f"writer {n}"] = partial(
            register.write, bus, writes, ok=cache in ("plain", "cashews")
        )
    if "cancelled" in shape:
        victim = "writer 0" if "cancelled writer" in shape else "reader 0"
        actors["canceller"] = partial(_cancel, victim)
    return actors


async def _cancel(victim: str) -> None:
    await step()
    for task in asyncio.all_tasks():
        if task.get_name() == victim:
            task.cancel()
