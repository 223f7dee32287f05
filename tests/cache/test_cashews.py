"""Caches of cashews: what they have stored is dropped, and read through by tokens of our own."""

import asyncio

import cashews
import pytest

from busway import Event, EventBus
from busway_cache import CacheInvalidationHandler
from busway_cache.cashews_cache import CashewsCache

# cashews closes its client of redis by a name that the client has given up
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")

USER = {"user_id": 7}


def give(value):
    async def load():
        return value

    return load


@pytest.fixture(params=["mem", "redis"])
async def shop(request):
    """cashews on its two backends."""
    cache = cashews.Cache()
    if request.param == "mem":
        cache.setup("mem://")
    else:
        server = request.getfixturevalue("make_server")()
        cache.setup(server.url, suppress=False)
    yield cache
    await cache.close()


@pytest.fixture
def cache(shop):
    return CashewsCache(shop)


@pytest.mark.parametrize("value", [None, 0, "text", [1, None], (1, 2)])
async def test_a_value_comes_back(cache, value):
    """What is not there is remembered, too."""
    assert await cache.get_or_load("a", give(value)) == value
    assert await cache.get_or_load("a", give("other")) == value


async def test_what_cashews_has_stored_is_dropped(shop, cache):
    """By its own decorators: keys, tags and patterns."""
    calls = []

    @shop(ttl="1h", key="user:{user_id}", tags=["users"])
    async def user(user_id):
        calls.append(user_id)
        return user_id

    await user(7)
    bus = EventBus()
    bus.subscribe(CacheInvalidationHandler(cache=shop))
    assert (await bus.publish(Event("user.updated", USER))).ok
    await user(7)
    await cache.invalidate(tags=["users"])
    await user(7)
    assert (await bus.publish(Event("user.updated", {}))).ok
    await user(7)
    await user(7)
    assert calls == [7, 7, 7, 7]


@pytest.mark.parametrize("what", [{"keys": ["a"]}, {"tags": ["t"]}, {"patterns": ["a*"]}])
async def test_a_load_that_began_before_an_invalidation_is_not_served(cache, source, what):
    """Nor is one that cashews was still storing then: an entry carries its generations."""
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load, tags=["t"]))
    await source.has_read.wait()
    source.version = 1
    await cache.invalidate(**what)
    source.may_return.set()
    assert await early == 0
    assert await cache.get_or_load("a", source.load, tags=["t"]) == 1


async def test_what_cashews_stores_late_is_not_served(shop, cache, source):
    """It stores an entry after the invalidation has deleted it."""
    arrived, store = asyncio.Event(), asyncio.Event()
    put = shop.set

    async def put_late(*arguments, **options):
        arrived.set()
        await store.wait()
        return await put(*arguments, **options)

    shop.set = put_late
    early = asyncio.create_task(cache.get_or_load("a", source.load))
    await arrived.wait()
    source.version = 1
    await cache.invalidate(keys=["a"])
    store.set()
    await early
    assert await shop.get("a") is not None
    assert await cache.get_or_load("a", source.load) == 1


async def test_what_cashews_could_not_delete_is_not_served(shop, cache, source):
    """The publisher is told; our own entries are void before it is tried."""
    await cache.get_or_load("a", source.load)

    async def fail(*keys):
        raise ConnectionError

    shop.delete_many = fail
    source.version = 1
    with pytest.raises(ConnectionError):
        await cache.invalidate(keys=["a"])
    assert await cache.get_or_load("a", source.load) == 1


async def test_what_cashews_cannot_store_fails_no_reader(shop, cache):
    """Its server has gone meanwhile, say: the value is good all the same."""

    async def fail(*arguments, **options):
        raise ConnectionError

    shop.set = fail
    assert await cache.get_or_load("a", give(1)) == 1
    assert cache.health()["unkept"] == 1


async def test_entries_of_another_process_are_none(shop, source):
    """It cannot void those here when it should."""
    await CashewsCache(shop).get_or_load("a", source.load)
    source.version = 1
    assert await CashewsCache(shop).get_or_load("a", source.load) == 1


async def test_what_cashews_holds_there_itself_is_no_entry(shop, cache):
    """It is stored without a token."""
    await shop.set("a", "theirs")
    assert await cache.get_or_load("a", give(1)) == 1


async def test_entries_expire(shop, cache):
    """By cashews, after what is left of the ttl."""
    await cache.get_or_load("a", give(1), ttl=60)
    assert 50 < await shop.get_expire("a") <= 60
    await cache.get_or_load("b", give(1))
    assert 250 < await shop.get_expire("b") <= 300


async def test_a_url_is_opened_and_closed():
    """With cashews' own scheme after ours."""
    handler = CacheInvalidationHandler(cache="cashews+mem://")
    assert await handler.cache.get_or_load("user:7", give(1)) == 1
    await handler.handle(Event("user.updated", USER))
    assert await handler.cache.get_or_load("user:7", give(2)) == 2
    await handler.stop()
