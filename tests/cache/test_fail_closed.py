"""When an invalidation fails: nothing cached is served until a flush has succeeded."""

import asyncio
import logging
from contextlib import suppress

import pytest

from busway import EventBus
from busway_cache import CacheInvalidationHandler, MappingCache


async def test_after_a_failure_reads_go_to_the_loader(faulty, source):
    """What could not be dropped is not served; nothing is kept meanwhile."""
    await faulty.get_or_load("a", source.load)
    faulty.error = ConnectionError("gone")
    source.version = 1
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    assert faulty.health()["state"] == "bypassed"
    assert await faulty.get_or_load("a", source.load) == 1
    source.version = 2
    assert await faulty.get_or_load("a", source.load) == 2
    assert faulty.health()["bypassed"] == 2


async def test_a_read_tries_to_flush(faulty, source):
    """When that succeeds, all is cached again, and nothing from before."""
    await faulty.get_or_load("a", source.load)
    await faulty.get_or_load("b", source.load)
    faulty.error = ConnectionError("gone")
    source.version = 1
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    faulty.error = None
    assert await faulty.get_or_load("b", source.load) == 1
    assert faulty.health()["state"] == "serving"
    assert await faulty.get_or_load("a", source.load) == 1
    assert source.loads == 4


async def test_the_next_invalidation_flushes(faulty, source):
    """Whatever it is of."""
    await faulty.get_or_load("a", source.load)
    faulty.error = ConnectionError("gone")
    source.version = 1
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    faulty.error = None
    await faulty.invalidate(keys=["b"])
    assert faulty.health()["state"] == "serving"
    assert await faulty.get_or_load("a", source.load) == 1


async def test_one_read_at_a_time_tries_to_flush(faulty, source):
    """The others do not wait for a server that does not answer."""
    faulty.error = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    faulty.retry_after = 60.0
    faulty.gate = asyncio.Event()
    first = asyncio.create_task(faulty.get_or_load("a", source.load))
    await asyncio.sleep(0)
    assert await faulty.get_or_load("a", source.load) == 0
    assert not first.done()
    faulty.gate.set()
    assert await first == 0


async def test_a_cancelled_invalidation_counts_as_failed(faulty, source):
    """It is not known what was dropped."""
    await faulty.get_or_load("a", source.load)
    faulty.gate = asyncio.Event()
    dropping = asyncio.create_task(faulty.invalidate(keys=["a"]))
    await asyncio.sleep(0)
    source.version = 1
    dropping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dropping
    assert faulty.health()["state"] == "bypassed"
    faulty.gate.set()
    assert await faulty.get_or_load("a", source.load) == 1


async def test_a_flush_does_not_pay_for_a_failure_that_comes_during_it(faulty):
    """What fails after it began may not be covered by it."""
    faulty.error = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    faulty.error, faulty.gate = None, asyncio.Event()
    flushing = asyncio.create_task(faulty.recover())
    await asyncio.sleep(0)
    other = asyncio.create_task(faulty.invalidate(keys=["b"]))
    await asyncio.sleep(0)
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    faulty.gate.set()
    assert not await flushing
    assert faulty.health()["state"] == "bypassed"
    assert await faulty.recover()


async def test_to_drop_keys_does_not_pay_for_a_failure(faulty, source):
    """An invalidation flushes, another fails meanwhile, and then it drops its own keys."""
    await faulty.get_or_load("b", source.load)
    faulty.error = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    faulty.error, faulty.gate = None, asyncio.Event()
    first = asyncio.create_task(faulty.invalidate(keys=["a"]))
    await asyncio.sleep(0)
    other = asyncio.create_task(faulty.invalidate(keys=["b"]))
    await asyncio.sleep(0)
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    faulty.gate.set()
    await first
    assert faulty.health()["state"] == "bypassed"


async def test_a_load_from_before_a_failure_is_not_kept_after_the_flush(faulty, source):
    """The flush voids its token."""
    source.may_return.clear()
    early = asyncio.create_task(faulty.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    faulty.error = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    faulty.error = None
    assert await faulty.recover()
    source.may_return.set()
    assert await early == 0
    assert await faulty.get_or_load("a", source.load) == 1


async def test_a_mapping_that_fails_is_not_served(source):
    """Neither what it could not drop, nor the rest."""

    class Broken(dict):
        broken = True

        def pop(self, *arguments):
            if self.broken:
                raise OSError("no")
            return super().pop(*arguments)

        def clear(self):
            if self.broken:
                raise OSError("no")
            super().clear()

    mapping = Broken()
    cache = MappingCache(mapping)
    cache.retry_after = 0.0
    await cache.get_or_load("a", source.load)
    source.version = 1
    with pytest.raises(OSError, match="no"):
        await cache.invalidate(keys=["a"])
    assert await cache.get_or_load("a", source.load) == 1
    mapping.broken = False
    assert await cache.get_or_load("a", source.load) == 1
    assert mapping == {"a": 1}


async def test_a_mapping_that_cannot_be_read_fails_no_reader(source):
    """It is as if nothing were cached."""

    class Broken(dict):
        def get(self, *arguments):
            raise OSError("no")

    cache = MappingCache(Broken())
    assert await cache.get_or_load("a", source.load) == 0
    assert cache.health()["bypassed"] == 1


async def test_it_is_logged_once_when_it_begins_and_when_it_ends(faulty, caplog):
    """Without a key in it."""
    caplog.set_level(logging.INFO, "busway.cache")
    faulty.error = ConnectionError("user:7 said so")
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await faulty.invalidate(keys=["user:7"])
    faulty.error = None
    await faulty.recover()
    assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
    assert "user:7" not in caplog.text


async def test_mending_stops_though_a_client_swallows_the_cancellation(faulty, monkeypatch):
    """As redis-py does on Python 3.11, when the answer comes just then."""
    flushing = asyncio.Event()

    async def flush():
        flushing.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise ConnectionError("gone")

    faulty.shared, faulty.error = True, ConnectionError("gone")
    handler = CacheInvalidationHandler(cache=faulty, timeout=0.01)
    with pytest.raises(ConnectionError):
        await faulty.invalidate(keys=["a"])
    monkeypatch.setattr(faulty, "_flush", flush)
    await handler.start(EventBus())
    async with asyncio.timeout(30):
        await flushing.wait()
        await handler.stop()
