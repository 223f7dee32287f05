"""The setting `cache`: URLs and live objects, and what is none."""

import subprocess
import sys
import traceback
from collections import OrderedDict

import cachetools
import cashews
import pytest
import redis
import redis.asyncio

from busway_cache import CacheInvalidationHandler, MappingCache, MemoryCache
from busway_cache.cashews_cache import CashewsCache
from busway_cache.redis_cache import RedisCache


def opened(cache):
    return CacheInvalidationHandler(cache=cache).cache


@pytest.mark.parametrize(
    ("cache", "kind"),
    [
        (None, MemoryCache),
        ("memory:", MemoryCache),
        ("memory:?max_entries=5&ttl=1.5", MemoryCache),
        ({}, MappingCache),
        (OrderedDict(), MappingCache),
        (cachetools.LRUCache(10), MappingCache),
        ("redis://127.0.0.1:1", RedisCache),
        ("redis://:secret@127.0.0.1:1/3?prefix=app:&scan=yes&ttl=60&timeout=0.5", RedisCache),
        ("rediss://127.0.0.1:1?ssl_cert_reqs=none", RedisCache),
        ("unix:///nowhere.sock?db=1", RedisCache),
        ("cashews+mem://?size=10&ttl=5", CashewsCache),
        ("cashews+redis://127.0.0.1:1/?client_name=x", CashewsCache),
    ],
)
def test_what_is_a_cache(cache, kind):
    """Each is opened; none of them connects to anything."""
    assert type(opened(cache)) is kind


def test_live_clients_are_caches():
    """Of the libraries that they are of."""
    assert isinstance(opened(redis.asyncio.Redis()), RedisCache)
    shop = cashews.Cache()
    shop.setup("mem://")
    assert isinstance(opened(shop), CashewsCache)


def test_a_cache_object_is_used_as_it_is(make_keeper):
    """Ours and anybody's."""
    for cache in (MemoryCache(), MappingCache({}), make_keeper()):
        assert opened(cache) is cache


def test_options_are_taken_from_the_url():
    """Those of ours; the client gets the rest."""
    cache = opened("redis://u:p@127.0.0.1:1/3?prefix=a%3A&scan=yes&ttl=60&client_name=x")
    assert (cache._prefix, cache._ttl) == ("a:", 60.0)
    assert "patterns" in cache.capabilities
    taken = cache._clients._make().connection_kwargs
    assert (taken["db"], taken["client_name"], taken["password"]) == (3, "x", "p")
    assert "patterns" not in opened("redis://127.0.0.1:1").capabilities


@pytest.mark.parametrize(
    ("cache", "culprit"),
    [
        (7, "int is none; known are"),
        (object(), "object is none"),
        (MemoryCache, "ABCMeta is none"),
        ("", "unknown scheme ''"),
        ("redis", "unknown scheme 'redis'"),
        ("memcached://localhost", "unknown scheme 'memcached'"),
        ("memory:x", "memory: nothing but options"),
        ("memory:?size=3", "memory: unknown option 'size'; there are max_entries, ttl"),
        ("memory:?ttl=soon", "memory: ttl: a number is expected"),
        ("memory:?max_entries=0", "memory: max_entries: "),
        ("redis://localhost?scan=perhaps", "redis: scan: yes or no is expected"),
        ("redis://localhost?ttl=0", "redis: ttl: "),
        ("redis://localhost:port", "redis: "),
        ("redis://localhost?nonsense=1", "redis: the client takes no such options: "),
        ("redis://localhost?protocol=9", "redis: "),
        ("rediss://localhost?ssl_cert_reqs=perhaps", "rediss: "),
        ("cashews+nonsense://", "cashews+nonsense: cashews does not take it"),
        (redis.Redis(), "it would block the event loop: give a redis.asyncio.Redis"),
        (redis.asyncio.RedisCluster(host="localhost"), "a redis.asyncio.Redis of one server"),
    ],
)
def test_what_is_no_cache_is_named(cache, culprit):
    """With what there is instead."""
    with pytest.raises(ValueError) as refused:
        opened(cache)
    assert str(refused.value).startswith(f"cache: {culprit}")


@pytest.mark.parametrize(
    "url",
    [
        "x:c4n4ry",
        "nonsense://u:c4n4ry@h",
        "redis://u:c4n4ry@h:port",
        "redis://u:c4n4ry/@h",
        "rediss://u:c4n4ry#@h",
        "redis://u:c4n4ry\u2100@h",
        "redis://u:[c4n4ry]@h",
        "cashews+redis://u:c4n4ry?@h",
    ],
)
def test_an_error_does_not_repeat_a_url(url):
    """There may be a password in it, whose special characters make something else of the rest."""
    with pytest.raises(ValueError) as refused:
        opened(url)
    told = traceback.format_exception(refused.value)[-1]
    assert "c4n4ry" not in told
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("capabilities", ["keys", None, ["keys", "names"]])
def test_capabilities_that_are_none_are_refused(make_keeper, capabilities):
    """A mistyped one would be found out by nobody."""
    keeper = make_keeper()
    keeper.capabilities = capabilities
    with pytest.raises(ValueError, match=r"^cache: .*capabilit"):
        opened(keeper)


def test_cashews_that_swallows_errors_is_refused():
    """A failed deletion would look like one that succeeded; that is cashews' default."""
    shop = cashews.Cache()
    shop.setup("redis://127.0.0.1:1")
    with pytest.raises(ValueError, match=r"^cache: cashews swallows .* suppress=False"):
        opened(shop)
    shop = cashews.Cache()
    shop.setup("redis://127.0.0.1:1", suppress=False)
    assert isinstance(opened(shop), CashewsCache)


WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("redis", "cashews", "cachetools")))
from busway_cache import CacheInvalidationHandler
CacheInvalidationHandler(cache={})
CacheInvalidationHandler()
try:
    CacheInvalidationHandler(cache=sys.argv[1])
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("url", ["redis://localhost", "cashews+mem://"])
def test_a_library_that_is_missing_is_named(url):
    """With the command that installs it; without its feature nobody needs it."""
    called = [sys.executable, "-c", WITHOUT, url]
    done = subprocess.run(called, check=True, capture_output=True, text=True, timeout=60)
    library = url.partition(":")[0].partition("+")[0]
    assert f"pip install 'busway-cache[{library}]'" in done.stdout


def test_nothing_is_imported_that_was_not_named():
    """Importing and building with defaults loads no optional library."""
    code = (
        "import sys, busway_cache; busway_cache.CacheInvalidationHandler(); "
        "print(*({'redis', 'cashews', 'cachetools'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
