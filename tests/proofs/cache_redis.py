"""Proof that no read is stale with redis: killed and started again at every step, and at random.

Each process is a cache of its own here, on one real server, and each script that one sends is a
step: readers, a writer and a fault follow one another in every order. The fault is a `kill -9`,
after which the server comes back empty, or with a snapshot from before the write, which holds the
entry and the generations that make it look valid; or the network is lost for a while, before what
is sent arrives, or after. Reads are compared with a versioned register, and when all is over
every process must read what was written last.

In other pieces processes of their own read and write, several tasks each, while the server is
killed and started at random moments.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import random
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from redis.exceptions import ConnectionError as RedisConnectionError
from tests.audit.trail import fork
from tests.cache.register import KEY, Register
from tests.cache.servers import RedisServer
from tests.cache.stepping import Actors, answered, orders, step

from busway import Event
from busway_cache._redis_clients import Clients
from busway_cache.redis_cache import RedisCache

__all__ = ["pieces", "run", "sample"]

_WHO = {  # readers, whether the writer's process reads, too, writers, and whether it is cached
    "a reader": (1, False, 0, False),
    "a reader of what is cached": (1, False, 0, True),
    "a writer": (0, False, 1, True),
    "a reader and a writer": (1, False, 1, False),
    "a reader of what is cached and a writer": (1, False, 1, True),
    "a writer that reads": (0, True, 1, False),
    "two readers and a writer": (2, False, 1, False),
}
_SERVERS = ("left alone", "cut off", "unanswered", "killed, empty", "killed, with a snapshot")
_KILLED = _SERVERS[3:]
_PROCESSES = 4
_TASKS = 3
_LONGEST = 0.4  # seconds between two kills


class Stepped(RedisCache):
    """Each script is sent in a step; its answer comes within it, unless the network is down."""

    retry_after = 0.0
    network = "up"  # or "cut off": nothing is sent; or "unanswered": what is sent has its effect

    async def _run(
        self, script: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]
    ) -> list[object]:
        await step()
        fate = Stepped.network
        if fate == "cut off":
            raise RedisConnectionError
        answer = await answered(super()._run(script, keys, arguments))
        if fate == "unanswered":
            raise RedisConnectionError
        return answer


def pieces() -> list[str]:
    """Who takes steps and what becomes of the server; seconds at random, and a seed."""
    *short, long = _WHO
    return [
        *(f"{who}; {fate}" for fate in _SERVERS for who in short),
        *(f"2 s at random, {fate}, seed {n}" for fate in _KILLED for n in range(3)),
        *(f"30 s at random, {fate}, seed {n}" for fate in _KILLED for n in range(3)),
        f"{long}; left alone",
    ]


def sample(seed: int) -> list[str]:
    """Kills at every step of a read and of a write, and two seconds of kills at random."""
    if RedisServer.program is None:
        return []
    chosen = random.Random(seed)
    return [
        "a reader and a writer; left alone",
        f"a writer; {chosen.choice(_KILLED)}",
        *(f"{who}; {chosen.choice(_SERVERS[1:])}" for who in list(_WHO)[:2]),
        f"2 s at random, {chosen.choice(_KILLED)}, seed {chosen.randrange(3)}",
    ]


def run(piece: str) -> dict[str, int]:
    """A piece, on a server of its own.

    Raises:
        AssertionError: if a read was stale, or one after all is over.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), save="snapshot" in piece)
        server.start()
        try:
            if "at random" in piece:
                return _at_random(piece, server)
            return _in_every_order(piece, server)
        finally:
            server.kill()


def _in_every_order(piece: str, server: RedisServer) -> dict[str, int]:
    who, _, fate = piece.partition("; ")
    counts: Counter[str] = Counter()
    scene = _Scene(server, who, fate)
    for steps in orders(scene.begin, scene.end, scene.close, sockets=True):
        counts["interleavings"] += 1
        counts["steps"] += steps
        counts["faults"] += scene.faults
        counts["reads"] += scene.register.reads
        counts["stale"] += scene.register.stale
        assert not scene.register.stale, f"{piece}: a stale read in order {counts['interleavings']}"
    return dict(counts)


class _Scene:
    """The processes of one order, and the server that they share."""

    def __init__(self, server: RedisServer, who: str, fate: str) -> None:
        self._server = server
        self._readers, self._itself, self._writers, self._warm = _WHO[who]
        self._fate = fate
        self._snapshot = "snapshot" in fate
        self._order = 0
        self._clients = [Stepped(server.url)._clients for _ in range(self._readers + 1)]
        self.register = Register()
        self.caches: list[Stepped] = []
        self.faults = 0

    async def begin(self) -> Actors:
        """If it is cached at first, then as version 0, which a snapshot holds, too."""
        self._order += 1
        self.register, self.faults = Register(), 0
        self.caches = [self._process(clients) for clients in self._clients]
        writer, *readers = self.caches
        if self._warm:
            assert await writer.get_or_load(KEY, self.register.load) == 0
        if self._snapshot:
            self._server.snapshot()
        actors = {
            f"reader {n}": partial(self.register.read, cache) for n, cache in enumerate(readers)
        }
        if self._itself:
            actors["reader"] = partial(self.register.read, writer)
        if self._writers:
            bus = self.register.bus(writer)
            # to others, a publish that was not ok is not complete; to its own process it is
            actors["writer"] = partial(self.register.write, bus, ok=not self._itself)
        if self._fate != "left alone":
            actors["fault"] = self._restart if self._fate in _KILLED else self._disconnect
        return actors

    def _process(self, clients: Clients) -> Stepped:
        cache = Stepped(self._server.url, prefix=f"{self._order}:")
        cache._clients = clients  # connections stay, as in a process that goes on
        return cache

    async def end(self) -> None:
        """When the writer has made up for what failed, all read what was written last."""
        assert await self.caches[0].recover()
        for cache in self.caches:
            value = await cache.get_or_load(KEY, self.register.load)
            assert value == self.register.version, "a stale entry was left"

    async def close(self) -> None:
        """Close the connections."""
        for clients in self._clients:
            await clients.close()

    async def _disconnect(self) -> None:
        await step()
        Stepped.network = self._fate
        self.faults += 1
        await step()
        Stepped.network = "up"

    async def _restart(self) -> None:
        await step()
        self._server.kill()
        self.faults += 1
        await step()
        self._server.start()


def _at_random(piece: str, server: RedisServer) -> dict[str, int]:
    seconds, _, seed = float(piece.partition(" ")[0]), None, int(piece.rpartition(" ")[2])
    chosen = random.Random(seed)
    # versions, versions whose publish was complete, and each process's reads, stale ones, failures
    shared = mmap.mmap(-1, 8 * 5 * _PROCESSES)
    children = []
    for number in range(_PROCESSES):
        child = fork()
        if child == 0:
            status = 1
            try:
                logging.disable()
                asyncio.run(_work(server.url, shared, number, seconds))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    kills, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(chosen.uniform(0.02, _LONGEST))
        if "snapshot" in piece and chosen.random() < 0.7:
            server.snapshot()
            time.sleep(chosen.uniform(0, _LONGEST / 4))
        server.kill()
        kills += 1
        time.sleep(chosen.choice((0, 0, 0.05)))
        server.start()
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert statuses == [0] * _PROCESSES, statuses
    total = {
        name: sum(_get(shared, place, n) for n in range(_PROCESSES))
        for place, name in ((0, "writes"), (2, "reads"), (3, "stale"), (4, "publishes not ok"))
    }
    assert not total["stale"], f"{piece}: {total}"
    return {**total, "faults": kills}


async def _work(url: str, shared: mmap.mmap, number: int, seconds: float) -> None:
    """One process: it writes what is its own, and reads what is anybody's."""
    cache = RedisCache(url, timeout=2.0)
    cache.retry_after = 0.01
    ends = time.monotonic() + seconds
    tasks = [_read(cache, shared, number, ends, seed) for seed in range(_TASKS)]
    await asyncio.gather(*tasks, _write(cache, shared, number, ends))
    await cache.close()


async def _read(cache: RedisCache, shared: mmap.mmap, number: int, ends: float, seed: int) -> None:
    chosen = random.Random(1_000 * number + seed)

    async def load(owner: int) -> int:
        await asyncio.sleep(chosen.choice((0, 0, 0.001)))
        version = _get(shared, 0, owner)
        await asyncio.sleep(chosen.choice((0, 0, 0.002)))
        return version

    while time.monotonic() < ends:
        owner = chosen.randrange(_PROCESSES)
        least = _get(shared, 1, owner)
        value = await cache.get_or_load(f"user:{owner}", partial(load, owner))
        _add(shared, 2, number)
        if value < least:
            _add(shared, 3, number)
        await asyncio.sleep(0)


async def _write(cache: RedisCache, shared: mmap.mmap, number: int, ends: float) -> None:
    chosen = random.Random(number)
    bus = Register.bus(cache)
    while time.monotonic() < ends:
        _add(shared, 0, number)
        result = await bus.publish(Event("user.updated", {"user_id": number}))
        if result.ok:
            struct.pack_into("=q", shared, 8 * (_PROCESSES + number), _get(shared, 0, number))
        else:
            _add(shared, 4, number)
        await asyncio.sleep(chosen.choice((0, 0.001, 0.01)))


def _get(shared: mmap.mmap, place: int, number: int) -> int:
    return int(struct.unpack_from("=q", shared, 8 * (place * _PROCESSES + number))[0])


def _add(shared: mmap.mmap, place: int, number: int) -> None:
    """Only one task of one process adds in a place."""
    struct.pack_into(
        "=q", shared, 8 * (place * _PROCESSES + number), _get(shared, place, number) + 1
    )
