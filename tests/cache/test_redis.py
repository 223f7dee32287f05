"""The cache in redis: shared by processes, each of which is a cache of its own here."""

import asyncio
import gc
import threading
import time

import pytest
import redis.asyncio

from busway_cache import MemoryCache
from busway_cache.redis_cache import RedisCache


def give(value):
    async def load():
        return value

    return load


@pytest.mark.parametrize("value", [None, 0, "", "text", [1, None], {"a": {"b": 1.5}}])
async def test_a_value_comes_back(make_cache, value):
    """To whoever shares the server; what is not there is remembered, too."""
    assert await make_cache().get_or_load("a", give(value)) == value
    assert await make_cache().get_or_load("a", give("other")) == value


async def test_an_invalidation_holds_for_all(make_cache):
    """When it returns."""
    one, other = make_cache(), make_cache()
    await one.get_or_load("a", give(1))
    await one.get_or_load("b", give(1))
    await other.invalidate(keys=["a"])
    assert await one.get_or_load("a", give(2)) == 2
    assert await one.get_or_load("b", give(2)) == 1


async def test_a_load_that_another_process_has_overtaken_is_not_kept(make_cache, source):
    """Its token is asked for on the server, in the step that keeps the value."""
    one, other = make_cache(), make_cache()
    source.may_return.clear()
    early = asyncio.create_task(one.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    await other.invalidate(keys=["a"])
    source.may_return.set()
    assert await early == 0
    assert await one.get_or_load("a", source.load) == 1
    assert await other.get_or_load("a", source.load) == 1


@pytest.mark.parametrize("what", [{"tags": ["t"]}, {"patterns": ["a*"]}])
async def test_tags_and_patterns_void_loads_on_their_way(make_cache, source, what):
    """Those that are not yet there to be dropped."""
    one, other = make_cache(scan=True), make_cache(scan=True)
    source.may_return.clear()
    early = asyncio.create_task(one.get_or_load("a", source.load, tags=["t"]))
    await source.has_read.wait()
    source.version = 1
    await other.invalidate(**what)
    source.may_return.set()
    assert await early == 0
    assert await one.get_or_load("a", source.load, tags=["t"]) == 1


async def test_clearing_voids_everything(make_cache, source):
    """Entries and loads, of all processes."""
    one, other = make_cache(), make_cache()
    await one.get_or_load("b", give(1))
    source.may_return.clear()
    early = asyncio.create_task(one.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    await other.clear()
    source.may_return.set()
    await early
    assert await one.get_or_load("a", source.load) == 1
    assert await one.get_or_load("b", give(2)) == 2


async def test_a_tag_drops_those_that_bear_it(make_cache):
    """Whatever tags the reader names."""
    cache = make_cache()
    await cache.get_or_load("a", give(1), tags=["x", "y"])
    await cache.get_or_load("b", give(1), tags=["y"])
    await cache.get_or_load("c", give(1))
    await cache.invalidate(tags=["x"])
    assert [await cache.get_or_load(key, give(2)) for key in "abc"] == [2, 1, 1]


async def test_what_the_application_has_written_is_dropped(make_cache, client):
    """Keys as they are, and the members of the sets that are its tags."""
    await client.mset({"user:7": "Ada", "user:8": "Bob", "page:1": "x", "page:2": "x"})
    await client.sadd("tag:pages", "page:1", "page:2")
    cache = make_cache()
    await cache.invalidate(keys=["user:7"], tags=["pages"])
    assert await client.mget("user:7", "user:8", "page:1", "page:2") == [None, b"Bob", None, None]
    assert await client.exists("tag:pages") == 0


async def test_a_set_may_name_entries_of_ours(make_cache, client):
    """They are dropped with it, and loads of them voided."""
    cache = make_cache()
    await cache.get_or_load("a", give(1))
    await client.sadd("tag:t", "a")
    await cache.invalidate(tags=["t"])
    assert await cache.get_or_load("a", give(2)) == 2


async def test_a_tag_may_have_the_name_of_an_entry(make_cache):
    """What stands where its set would be is no set: it is dropped, as a set would be."""
    cache = make_cache()
    await cache.get_or_load("tag:t", give(1))
    await cache.get_or_load("a", give(1), tags=["t"])
    await cache.invalidate(tags=["t"])
    assert [await cache.get_or_load(key, give(2)) for key in ("tag:t", "a")] == [2, 2]


async def test_patterns_are_off_unless_asked_for(make_cache):
    """SCAN walks all keys of a server."""
    with pytest.raises(ValueError, match=r"^patterns: RedisCache can do none"):
        await make_cache().invalidate(patterns=["a*"])


async def test_a_pattern_drops_what_it_matches(make_cache, client):
    """Under the prefix, which is literal, however many there are."""
    await client.mset({f"p*:user:{n}": n for n in range(1_200)})
    await client.mset({"p*:item:1": 1, "pq:user:1": 1, "user:1": 1})
    await make_cache(prefix="p*:", scan=True).invalidate(patterns=["user:*"])
    left = {b"p*:item:1", b"pq:user:1", b"user:1", b"p*:busway:coherence"}
    assert set(await client.keys("*")) == left


@pytest.mark.parametrize(
    "pattern",
    ["caf?", "caf[é]", "page:[!0-9]", "page:[^0-9]", "[abc", "[]]", "[!x]", "a\\b", "a[\\]b", "*"],
)
async def test_a_pattern_means_what_it_means_in_memory(make_cache, pattern):
    """Though the server's globs negate and escape otherwise, and count bytes."""
    keys = ["cafe", "café", "page:a", "page:1", "page:^", "[abc", "a", "]", "!", "x", "ü", "a\\b"]
    left = []
    for cache in (MemoryCache(), make_cache(scan=True)):
        for key in keys:
            await cache.get_or_load(key, give(1))
        await cache.invalidate(patterns=[pattern])
        left.append([key for key in keys if await cache.get_or_load(key, give(2)) == 1])
    assert left[0] == left[1]


async def test_prefixes_keep_applications_apart(make_cache):
    """On one server."""
    one, other = make_cache(prefix="one:"), make_cache(prefix="other:")
    await one.get_or_load("a", give(1))
    await other.get_or_load("a", give(1))
    await other.clear()
    await other.invalidate(keys=["a"])
    assert await one.get_or_load("a", give(2)) == 1
    assert await other.get_or_load("a", give(2)) == 2


async def test_entries_expire(make_cache, client):
    """The ttl is counted from before the load."""
    cache = make_cache(ttl=60)
    await cache.get_or_load("a", give(1))
    await cache.get_or_load("b", give(1), ttl=5)
    await cache.get_or_load("c", give(1), ttl=500)
    left = [await client.pttl(key) for key in "abc"]
    assert 50_000 < left[0] <= 60_000
    assert 0 < left[1] <= 5_000
    assert 50_000 < left[2] <= 60_000


async def test_what_took_longer_than_its_ttl_is_not_kept(make_cache, client, source):
    """Its time has run out by then."""
    cache = make_cache(ttl=0.001)
    source.may_return.clear()
    reading = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    await asyncio.sleep(0.002)
    source.may_return.set()
    assert await reading == 0
    assert await client.exists("a") == 0


@pytest.mark.parametrize("wrong", [b"x", b"busway1 0 1=2\nx", b"busway1 \n", b"\xff\x00"])
async def test_what_is_no_entry_is_none(make_cache, client, wrong):
    """The application's own, or anybody's: it is loaded, and then an entry."""
    await client.set("a", wrong)
    cache = make_cache()
    assert await cache.get_or_load("a", give(1)) == 1
    assert await cache.get_or_load("a", give(2)) == 1


async def test_a_value_that_cannot_be_decoded_is_none(make_cache):
    """Another version of the application has written it."""
    await make_cache(dumps=lambda _: "nonsense").get_or_load("a", give(1))
    assert await make_cache().get_or_load("a", give(2)) == 2


async def test_a_value_that_cannot_be_encoded_is_told(make_cache):
    """It would never be cached, and nobody would notice."""
    with pytest.raises(TypeError):
        await make_cache().get_or_load("a", give(object()))


async def test_what_is_of_another_type_stays(make_cache, client):
    """A hash of the application's, where an entry should be: it is read around."""
    await client.hset("a", "field", "value")
    cache = make_cache()
    assert await cache.get_or_load("a", give(1)) == 1
    assert await cache.get_or_load("a", give(2)) == 2
    assert await client.hgetall("a") == {b"field": b"value"}
    assert cache.health()["state"] == "serving"


async def test_any_text_is_a_key(make_cache):
    """Lone surrogates, which are no UTF-8, among them; none drops more than itself."""
    cache = make_cache(scan=True)
    for key in ("a b\r\nc", "ü", "\ud800", "\udc80", "\x00", "x" * 10_000):
        assert await cache.get_or_load(key, give(1), tags=[key]) == 1
        assert await cache.get_or_load(key, give(2), tags=[key]) == 1
        await cache.invalidate(keys=[key])
        assert await cache.get_or_load(key, give(3), tags=[key]) == 3
    assert cache.health()["flushes"] == 0
    assert cache.health()["state"] == "serving"


async def test_different_keys_are_different_entries(make_cache):
    """Whatever bytes they are written as."""
    cache = make_cache()
    keys = ["\ud800", "\udced\udca0\udc80", "\udc80", "\udced\udcb2\udc80"]
    for key in keys:
        await cache.get_or_load(key, give(ascii(key)))
    assert [await cache.get_or_load(key, give("")) for key in keys] == [ascii(key) for key in keys]


async def test_a_pattern_drops_names_that_are_no_text(make_cache, client):
    """Others have written them."""
    await client.mset({b"user:\xff": 1, b"user:\xed\xa0\x80": 1})
    await make_cache(scan=True).invalidate(patterns=["user:*"])
    assert await client.keys("user:*") == []


async def test_what_is_kept_of_keys_is_bounded(make_cache, client):
    """Of those invalidated nothing is left but a raised counter of 65,536."""
    cache = make_cache()
    await cache.invalidate(keys=[f"user:{n}" for n in range(70_000)])
    assert await client.dbsize() == 1
    assert await client.hlen("busway:coherence") <= 65_536 + 3


async def test_losing_the_generations_loses_the_entries(make_cache, client):
    """They are lost with their epoch, by eviction say, so that none is valid by chance."""
    cache = make_cache()
    await cache.get_or_load("a", give(1))
    await client.delete("busway:coherence")
    assert await cache.get_or_load("a", give(2)) == 2


async def test_a_client_s_settings_are_taken(server, make_cache):
    """It is not used itself, and need not be one that speaks in bytes."""
    async with redis.asyncio.Redis(port=server.port, db=3, decode_responses=True) as live:
        cache = make_cache(source=live, prefix="p:")
        assert await cache.get_or_load("a", give("ü")) == "ü"
        assert await cache.get_or_load("a", give("x")) == "ü"
        assert await live.exists("p:a") == 1
        await live.set("p:b", "x")
        await cache.invalidate(keys=["b"])
        assert await live.exists("p:b") == 0


@pytest.mark.parametrize(
    "options", ["decode_responses=True", "encoding=utf-16", "protocol=3&decode_responses=True"]
)
async def test_the_options_of_a_url_do_not_change_how_it_speaks(server, make_cache, options):
    """In bytes, whatever else the client can."""
    cache = make_cache(source=f"{server.url}/0?{options}", scan=True)
    assert await cache.get_or_load("ü", give("ü")) == "ü"
    assert await cache.get_or_load("ü", give("x")) == "ü"
    await cache.invalidate(patterns=["*"])
    assert await cache.get_or_load("ü", give("y")) == "y"


def test_it_is_used_from_loop_after_loop(server):
    """Each has connections of its own, since those of another are of no use to it."""
    cache = RedisCache(server.url)

    async def use(value):
        try:
            return await cache.get_or_load("a", give(value))
        finally:
            await cache.close()

    assert [asyncio.run(use(value)) for value in range(3)] == [0] * 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_connections_of_loops_that_ended_are_given_up(server):
    """Also where nobody closed the cache in them: a loop a call must not use up the server."""
    cache = RedisCache(server.url)
    for _ in range(5):
        asyncio.run(cache.get_or_load("a", give(1)))
    gc.collect()
    deadline = time.monotonic() + 10
    while server.ask(b"CLIENT LIST\r\n").count(b" addr=") > 2:  # that of the last, and this one
        assert time.monotonic() < deadline
    asyncio.run(cache.close())
    gc.collect()


async def test_closing_closes_those_of_all_loops_that_run(server, client):
    """Wherever it was used."""
    cache = RedisCache(server.url)
    ready, leave, seen = threading.Barrier(4), threading.Event(), []

    async def stay():
        seen.append(await cache.get_or_load("a", give(1)))
        await asyncio.to_thread(ready.wait)
        await asyncio.to_thread(leave.wait)

    threads = [threading.Thread(target=asyncio.run, args=(stay(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(ready.wait)
    await cache.get_or_load("a", give(2))
    assert len(await client.client_list()) == 5
    await cache.close()
    assert len(await client.client_list()) == 1
    leave.set()
    for thread in threads:
        thread.join(10)
    assert seen == [1, 1, 1]


async def test_readers_share_a_load(make_cache, source):
    """Those of one process; many of them, with a few connections."""
    cache = make_cache(timeout=60)
    source.may_return.clear()
    readers = [asyncio.create_task(cache.get_or_load("a", source.load)) for _ in range(300)]
    await source.has_read.wait()
    while cache.health()["joined"] < 299:
        await asyncio.sleep(0)
    source.may_return.set()
    assert await asyncio.gather(*readers) == [0] * 300
    assert source.loads == 1
