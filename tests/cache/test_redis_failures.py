"""redis dead, silent, refusing, and coming back: with nothing, or with what it knew long ago."""

import asyncio
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from busway import Event, EventBus
from busway_cache import CacheInvalidationHandler, InvalidationError
from busway_cache._redis_clients import Clients
from busway_cache.redis_cache import RedisCache

USER = {"user_id": 7}


def give(value):
    async def load():
        return value

    return load


async def test_without_a_server_reads_go_to_the_loader(make_cache, server):
    """None fails, and nothing cached is served."""
    cache = make_cache()
    await cache.get_or_load("a", give(1))
    server.kill()
    assert await cache.get_or_load("a", give(2)) == 2
    assert await cache.get_or_load("a", give(3)) == 3
    assert cache.health()["state"] == "bypassed"


@pytest.mark.parametrize("server", [True], indirect=True)
async def test_a_server_that_comes_back_with_a_snapshot_is_not_believed(make_cache, server):
    """It knows entries, and the generations of that time, which is what makes them look valid."""
    writer, reader = make_cache(), make_cache()
    await reader.get_or_load("a", give(1))
    server.snapshot()
    await writer.invalidate(keys=["a"])
    server.kill()
    server.start()
    assert await reader.get_or_load("a", give(2)) == 2


async def test_a_server_that_comes_back_empty_is_filled_anew(make_cache, server):
    """Whoever is connected finds out at the next read."""
    one, other = make_cache(), make_cache()
    await one.get_or_load("a", give(1))
    await other.get_or_load("a", give(1))
    server.kill()
    server.start()
    assert await one.get_or_load("a", give(2)) == 2
    assert await other.get_or_load("a", give(3)) == 2
    assert other.health()["state"] == "serving"


async def test_a_server_that_another_stood_in_for_is_not_believed(make_server):
    """It was only out of reach, so that its run id and its generations are what they were."""
    one, other = make_server(), make_server()
    cache = RedisCache(one.url)
    clients, others = cache._clients, Clients(other.url)
    await cache.get_or_load("a", give(1))
    cache._clients = others
    await cache.invalidate(keys=["a"])
    cache._clients = clients
    assert await cache.get_or_load("a", give(2)) == 2
    assert await cache.get_or_load("a", give(3)) == 2
    cache._clients = others
    assert await cache.get_or_load("a", give(4)) == 4
    await clients.close()
    await others.close()


async def test_a_clock_that_goes_back_begins_no_epoch_again(make_cache):
    """An epoch of a server whose clock was ahead is known: the next one is above it."""
    ahead, other = make_cache(), make_cache()
    ahead._epoch = b"7" * 13
    await ahead.get_or_load("a", give(1))
    assert await other.get_or_load("a", give(2)) == 1
    await other.clear()
    assert await ahead.get_or_load("a", give(3)) == 3
    assert await other.get_or_load("a", give(4)) == 3
    assert await ahead.get_or_load("a", give(5)) == 3


@pytest.mark.parametrize("server", [True], indirect=True)
async def test_a_load_from_before_a_restart_is_not_kept(make_cache, server, source):
    """Its token is of an epoch that has ended."""
    cache = make_cache()
    await cache.get_or_load("b", give(1))
    server.snapshot()
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    await make_cache().invalidate(keys=["a"])
    server.kill()
    server.start()
    source.may_return.set()
    assert await early == 0
    assert await cache.get_or_load("a", source.load) == 1


@pytest.mark.parametrize("server", [True], indirect=True)
async def test_what_could_not_be_invalidated_is_not_served(make_cache, server):
    """Neither while the server is away, nor when it is back, by whichever process."""
    writer, reader = make_cache(), make_cache()
    await reader.get_or_load("a", give(1))
    server.snapshot()
    server.kill()
    with pytest.raises(RedisConnectionError):
        await writer.invalidate(keys=["a"])
    assert await reader.get_or_load("a", give(2)) == 2
    server.start()
    assert await reader.get_or_load("a", give(3)) == 3
    assert await writer.get_or_load("a", give(4)) == 4


async def test_publishing_again_drops_what_the_application_has_written(make_cache, server):
    """Which a flush does not: it voids what `get_or_load` has kept."""
    bus = EventBus()
    bus.subscribe(CacheInvalidationHandler(cache=make_cache()))
    server.kill()
    assert not (await bus.publish(Event("user.updated", USER))).ok
    server.start()
    server.ask(b"SET user:7 Ada\r\n")
    assert (await bus.publish(Event("user.updated", USER))).ok
    assert server.ask(b"EXISTS user:7\r\n") == b":0\r\n"


async def test_what_others_may_see_is_bounded_by_the_ttl(make_cache, make_server):
    """Where the writer is cut off, and does not live to make up for it."""
    elsewhere = make_server()
    reader, writer = make_cache(ttl=0.2), RedisCache(elsewhere.url)
    elsewhere.kill()
    begun = 0.0

    async def load():
        nonlocal begun
        begun = time.monotonic()
        return 1

    assert await reader.get_or_load("a", load) == 1
    with pytest.raises(RedisConnectionError):
        await writer.invalidate(keys=["a"])
    elapsed = 0.0
    while elapsed <= 0.2:
        elapsed = time.monotonic() - begun
        value = await reader.get_or_load("a", give(2))
    assert value == 2


async def test_a_silent_server_holds_a_reader_up_for_its_timeout(make_cache, server):
    """Then the loader is asked; when it answers again, it is flushed first."""
    writer, reader = make_cache(timeout=0.05), make_cache()
    await reader.get_or_load("a", give(1))
    server.freeze()
    begun = time.monotonic()
    assert await writer.get_or_load("a", give(2)) == 2
    assert 0.04 < time.monotonic() - begun < 5
    with pytest.raises(TimeoutError):
        await writer.invalidate(keys=["a"])
    server.thaw()
    while not await writer.recover():
        await asyncio.sleep(0)
    assert await reader.get_or_load("a", give(3)) == 3


async def test_a_look_that_takes_too_long_flushes_nothing(make_cache, server):
    """Whoever has too much to do does not make others load everything anew."""
    busy, other = make_cache(timeout=1), make_cache()
    await other.get_or_load("a", give(1))
    server.freeze()
    busy.retry_after = 60.0
    assert await busy.get_or_load("a", give(2)) == 2
    begun = time.monotonic()
    assert await busy.get_or_load("a", give(2)) == 2
    assert time.monotonic() - begun < 1
    assert busy.health()["state"] == "bypassed"
    server.thaw()
    busy._retry_at = 0.0
    assert await busy.get_or_load("a", give(3)) == 1
    assert await other.get_or_load("a", give(3)) == 1
    assert busy.health()["state"] == "serving"


async def test_a_cancelled_invalidation_is_made_up_for(make_cache, server):
    """It may have reached the server, or not: all is flushed."""
    writer, reader = make_cache(timeout=60), make_cache()
    await reader.get_or_load("a", give(1))
    await writer.get_or_load("b", give(1))
    server.freeze()
    dropping = asyncio.create_task(writer.invalidate(keys=["a"]))
    await asyncio.sleep(0.01)
    dropping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dropping
    server.thaw()
    assert await writer.get_or_load("b", give(2)) == 2
    assert await reader.get_or_load("a", give(2)) == 2


async def test_a_server_that_refuses_is_read_around(make_server):
    """One that wants a password, say."""
    server = make_server()
    server.ask(b"CONFIG SET requirepass secret\r\n")
    cache = RedisCache(server.url)
    assert await cache.get_or_load("a", give(1)) == 1
    assert cache.health()["state"] == "bypassed"
    await cache.close()


async def test_a_server_that_is_full_is_read_around(make_cache, client):
    """What it does not keep is loaded again."""
    cache = make_cache()
    await cache.get_or_load("a", give(1))
    await client.config_set("maxmemory", 1)
    assert await cache.get_or_load("b", give(1)) == 1
    assert await cache.get_or_load("b", give(2)) == 2
    assert cache.health()["unkept"] > 0


async def test_a_server_that_is_full_is_told_what_to_drop(make_cache, client):
    """It is not refused with what would add to it, and nothing else is lost."""
    cache = make_cache()
    await cache.get_or_load("a", give(1))
    await cache.get_or_load("b", give(1))
    await client.config_set("maxmemory", 1)
    await cache.invalidate(keys=["a"])
    assert await cache.get_or_load("a", give(2)) == 2
    assert await cache.get_or_load("b", give(2)) == 1


async def test_a_publish_is_not_ok_when_the_server_is_away(server):
    """Nor is it when it is silent; the handler's timeout bounds both."""
    handler = CacheInvalidationHandler(cache=server.url, timeout=0.2)
    bus = EventBus()
    bus.subscribe(handler)
    assert (await bus.publish(Event("user.updated", USER))).ok
    server.freeze()
    result = await bus.publish(Event("user.updated", USER))
    assert isinstance(result.errors[0], InvalidationError)
    server.thaw()
    server.kill()
    result = await bus.publish(Event("user.updated", USER))
    assert isinstance(result.errors[0], InvalidationError)
    server.start()
    assert (await bus.publish(Event("user.updated", USER))).ok
    await handler.stop()


async def test_a_running_bus_makes_up_for_it_by_itself(server, make_cache):
    """Also in a process that neither reads nor writes any more."""
    reader = make_cache()
    writer = make_cache(timeout=0.1)
    writer.retry_after = 0.01
    await reader.get_or_load("user:7", give(1))
    bus = EventBus()
    bus.subscribe(CacheInvalidationHandler(cache=writer))
    async with bus:
        server.freeze()
        assert not (await bus.publish(Event("user.updated", USER))).ok
        server.thaw()
        while writer.health()["state"] == "bypassed":
            await asyncio.sleep(0.01)
        assert await reader.get_or_load("user:7", give(2)) == 2


async def test_a_bus_that_stops_tries_once_more(server, make_cache, caplog):
    """And says so if that fails, since others may see what is stale until it expires."""
    writer = make_cache(timeout=1)
    writer.retry_after = 60.0
    bus = EventBus()
    bus.subscribe(CacheInvalidationHandler(cache=writer))
    async with bus:
        server.freeze()
        await bus.publish(Event("user.updated", USER))
        server.thaw()
    assert writer.health()["state"] == "serving"
    assert "until it expires" not in caplog.text
    await bus.start()
    server.kill()
    await bus.publish(Event("user.updated", USER))
    await bus.stop()
    assert "until it expires" in caplog.records[-1].message


async def test_no_secret_is_told(caplog, make_server):
    """Neither in errors, nor in logs, nor by repr."""
    server = make_server()
    url = f"redis://user:canary@127.0.0.1:{server.port}"
    handler = CacheInvalidationHandler(cache=url)
    bus = EventBus()
    bus.subscribe(handler)
    refused = await bus.publish(Event("user.updated", USER))
    server.kill()
    gone = await bus.publish(Event("user.updated", USER))
    await handler.stop()
    told = [repr(one) + repr(one.__cause__) for one in (*refused.errors, *gone.errors)]
    assert len(told) == 2
    assert "canary" not in f"{told}{caplog.text}{handler!r}{handler.cache!r}{handler.health()}"
