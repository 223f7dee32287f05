"""Caches in memory: bounds, lifetimes, tags, patterns, and an application's own mappings."""

import asyncio
import threading

import cachetools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from busway_cache import MappingCache, MemoryCache
from busway_cache._globs import literal, matching, stars_alone


def give(value):
    async def load():
        return value

    return load


async def test_the_least_recently_used_leaves_first():
    """A hit counts as use."""
    cache = MemoryCache(max_entries=2)
    await cache.get_or_load("a", give(1))
    await cache.get_or_load("b", give(1))
    await cache.get_or_load("a", give(2))
    await cache.get_or_load("c", give(1))
    assert [await cache.get_or_load(key, give(2)) for key in ("a", "c", "b")] == [1, 1, 2]
    assert len(cache) == 2


async def test_a_value_is_not_kept_longer_than_the_ttl(clock):
    """Measured from before its load."""
    cache = MemoryCache(ttl=60)
    await cache.get_or_load("a", give(1))
    clock.shift(59)
    assert await cache.get_or_load("a", give(2)) == 1
    clock.shift(1)
    assert await cache.get_or_load("a", give(2)) == 2


async def test_the_shorter_ttl_counts(clock):
    """A read may shorten it, not lengthen it."""
    cache = MemoryCache(ttl=60)
    await cache.get_or_load("short", give(1), ttl=10)
    await cache.get_or_load("long", give(1), ttl=600)
    clock.shift(30)
    assert await cache.get_or_load("short", give(2)) == 2
    assert await cache.get_or_load("long", give(2)) == 1
    clock.shift(30)
    assert await cache.get_or_load("long", give(2)) == 2


async def test_a_tag_drops_those_that_bear_it():
    """And no others; nothing of it is left."""
    cache = MemoryCache()
    await cache.get_or_load("a", give(1), tags=["x", "y"])
    await cache.get_or_load("b", give(1), tags=["y"])
    await cache.get_or_load("c", give(1))
    await cache.invalidate(tags=["x"])
    assert [await cache.get_or_load(key, give(2)) for key in "abc"] == [2, 1, 1]
    await cache.invalidate(tags=["y"], keys=["a", "c"])
    assert len(cache) == 0
    assert cache._by_tag == {}


async def test_a_tag_voids_loads_on_their_way(source):
    """Those that will bear it, and are not yet there to be dropped."""
    cache = MemoryCache()
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load, tags=["x"]))
    await source.has_read.wait()
    source.version = 1
    await cache.invalidate(tags=["x"])
    source.may_return.set()
    assert await early == 0
    assert await cache.get_or_load("a", source.load, tags=["x"]) == 1


async def test_a_tag_s_reader_joins_no_load_of_another_tag(source):
    """Whose generation is the same by chance, and which began before an invalidation."""
    cache = MemoryCache()
    await cache.invalidate(tags=["x"])
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load, tags=["x"]))
    await source.has_read.wait()
    source.version = 1
    await cache.invalidate(tags=["y"])
    source.has_read.clear()
    late = asyncio.create_task(cache.get_or_load("a", source.load, tags=["y"]))
    async with asyncio.timeout(5):
        await source.has_read.wait()
    source.may_return.set()
    assert await asyncio.gather(early, late) == [0, 1]


async def test_memory_is_bounded_whatever_is_invalidated():
    """No key leaves a trace that was invalidated and is not there."""
    cache = MemoryCache()
    before = len(cache._generations._counters)
    for n in range(5_000):
        await cache.invalidate(keys=[f"user:{n}"], tags=[f"t{n}"])
    assert len(cache._generations._counters) == before
    assert (len(cache), len(cache._by_tag), len(cache._flights)) == (0, 0, 0)


async def test_a_pattern_drops_what_it_matches():
    """By glob; case counts."""
    cache = MemoryCache()
    keys = ["user:1", "user:2\n", "USER:1", "item:1", "user"]
    for key in keys:
        await cache.get_or_load(key, give(1))
    await cache.invalidate(patterns=["user:*", "item:[0-9]"])
    assert [await cache.get_or_load(key, give(2)) for key in keys] == [2, 2, 1, 2, 1]


@given(st.text(), st.text())
def test_a_literal_matches_what_it_is_made_of(text, other):
    """And nothing else, unless there is a backslash in it."""
    assert matching([text], [literal(text)]) == [text]
    if "\\" not in text and other != text:
        assert matching([other], [literal(text)]) == []


@given(st.text(st.characters(exclude_characters="\n")), st.lists(st.sampled_from("*?[]!^ab:.+\\")))
def test_stars_alone_match_no_less(text, pattern):
    """What cashews is given drops all that the glob would."""
    glob = "".join(pattern)
    wide = stars_alone(glob)
    assert not set(wide) & set("?[]!^.+\\")
    if matching([text], [glob]):
        assert matching([text], [wide])


@pytest.mark.parametrize(
    "mapping",
    [{}, cachetools.LRUCache(10), cachetools.TTLCache(10, 60)],
    ids=lambda m: type(m).__name__,
)
async def test_a_mapping_holds_the_values_themselves(mapping):
    """The application reads it by itself, and what it puts there is served."""
    cache = MappingCache(mapping)
    await cache.get_or_load("a", give(1))
    assert mapping["a"] == 1
    mapping["b"] = 2
    assert await cache.get_or_load("b", give(3)) == 2
    await cache.invalidate(keys=["a", "missing"])
    assert list(mapping) == ["b"]
    await cache.invalidate(patterns=["*"])
    assert list(mapping) == []


async def test_a_value_too_large_for_a_mapping_is_given_and_not_kept():
    """cachetools refuses what is larger than the whole cache."""
    cache = MappingCache(cachetools.LRUCache(10, getsizeof=len))
    assert await cache.get_or_load("a", give("x" * 11)) == "x" * 11
    assert await cache.get_or_load("a", give("y")) == "y"
    assert cache.health()["unkept"] == 1


async def test_a_mapping_that_takes_nothing_fails_no_reader():
    """One on a disk that is full, say: the value is good all the same."""

    class Full(dict):
        def __setitem__(self, key, value):
            raise OSError("no space left")

    cache = MappingCache(Full())
    assert await cache.get_or_load("a", give(1)) == 1
    assert cache.health()["unkept"] == 1


async def test_a_mapping_is_used_under_its_lock():
    """The one that the application holds when it does."""
    lock = threading.Lock()

    class Watched(dict):
        def __getattribute__(self, name):
            assert lock.locked(), name
            return super().__getattribute__(name)

        def __setitem__(self, key, value):
            assert lock.locked()
            super().__setitem__(key, value)

    cache = MappingCache(Watched(), lock=lock)
    assert await cache.get_or_load("a", give(1)) == 1
    await cache.invalidate(keys=["a"], patterns=["b*"])
    await cache.clear()
    assert not lock.locked()


async def test_keys_of_a_mapping_that_are_no_text_stay():
    """They are somebody else's: cachetools' own decorator makes tuples."""
    mapping = {("a", 1): 1, "a": 2}
    await MappingCache(mapping).invalidate(patterns=["*"])
    assert mapping == {("a", 1): 1}


async def test_a_mapping_knows_neither_tags_nor_lifetimes():
    """Said when they are asked for."""
    cache = MappingCache({})
    with pytest.raises(ValueError, match=r"^tags: MappingCache can do none"):
        await cache.get_or_load("a", give(1), tags=["x"])
    with pytest.raises(ValueError, match=r"^tags: MappingCache can do none"):
        await cache.invalidate(tags=["x"])
    with pytest.raises(ValueError, match=r"^ttl: "):
        await cache.get_or_load("a", give(1), ttl=1)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        *(({"max_entries": value}, "max_entries") for value in (0, -1, True, 1.5, "9", 10**9)),
        *(({"ttl": value}, "ttl") for value in (0, -1, True, "9", float("nan"), float("inf"))),
    ],
)
def test_a_bound_that_is_none_is_named(settings, name):
    """With the value."""
    with pytest.raises(ValueError, match=f"^{name}: "):
        MemoryCache(**settings)
