"""A source of versions that is loaded in steps, and caches that do what is asked of them badly."""

import asyncio

import pytest
import redis.asyncio
from tests.cache.servers import RedisServer

from busway_cache import Capability, MemoryCache, loading, local, memory
from busway_cache.redis_cache import RedisCache


class Source:
    """Data whose loads stand still where they are told to.

    A load takes two steps: it reads the version, then it returns it. `reading` and `read` are
    entered before and after; each is open unless it is closed.
    """

    def __init__(self):
        self.version = 0
        self.loads = 0
        self.started = asyncio.Event()
        self.has_read = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_return = asyncio.Event()
        self.may_read.set()
        self.may_return.set()

    async def load(self):
        self.loads += 1
        self.started.set()
        await self.may_read.wait()
        version = self.version
        self.has_read.set()
        await self.may_return.wait()
        return version


class Faulty(MemoryCache):
    """One in memory whose drops and flushes fail as long as `error` is set, and wait for `gate`."""

    retry_after = 0.0

    def __init__(self):
        super().__init__()
        self.error = None
        self.gate = None

    async def _obey(self):
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error

    async def _drop(self, keys, tags, patterns):
        await self._obey()
        await super()._drop(keys, tags, patterns)

    async def _flush(self):
        await self._obey()
        await super()._flush()


class Keeper:
    """Somebody else's cache: the two members that the protocol asks for."""

    def __init__(self, *capabilities, error=None):
        self.capabilities = frozenset(capabilities or Capability)
        self.told = []
        self.error = error

    async def invalidate(self, *, keys=(), tags=(), patterns=()):
        self.told.append((list(keys), list(tags), list(patterns)))
        if self.error is not None:
            raise self.error


class Clock:
    """What caches measure lifetimes by."""

    def __init__(self):
        self.now = 0.0

    def shift(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (loading, local, memory):
        monkeypatch.setattr(module, "monotonic", lambda: made.now)
    return made


@pytest.fixture
async def source():
    return Source()


@pytest.fixture
def faulty():
    return Faulty()


@pytest.fixture
def make_keeper():
    return Keeper


@pytest.fixture
def make_server(tmp_path):
    """Redis servers, killed afterwards."""
    if RedisServer.program is None:
        pytest.skip("redis-server is not installed")
    made = []

    def make(**options):
        folder = tmp_path / f"redis{len(made)}"
        folder.mkdir()
        made.append(RedisServer(folder, **options))
        return made[-1].start()

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def server(make_server, request):
    """A server; with a parameter that is true, one that keeps snapshots."""
    return make_server(save=getattr(request, "param", False))


@pytest.fixture
async def make_cache(server):
    """Caches on the server, as several processes have them; closed afterwards."""
    made = []

    def make(**options):
        made.append(RedisCache(options.pop("source", server.url), **options))
        made[-1].retry_after = 0.0
        return made[-1]

    yield make
    for cache in made:
        await cache.close()


@pytest.fixture
async def client(server):
    """A client beside the caches."""
    async with redis.asyncio.Redis(port=server.port) as made:
        yield made
