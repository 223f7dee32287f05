"""Reading through: what is shared, what is kept, and what an invalidation has overtaken."""

import asyncio
import concurrent.futures
import os
import threading

import pytest
from tests.audit.trail import fork

from busway_cache import MappingCache, MemoryCache


@pytest.fixture(params=[MemoryCache, lambda: MappingCache({})], ids=["memory", "mapping"])
def cache(request):
    return request.param()


async def test_a_value_is_loaded_once(cache, source):
    """The second read is a hit."""
    assert await cache.get_or_load("a", source.load) == 0
    source.version = 1
    assert await cache.get_or_load("a", source.load) == 0
    assert source.loads == 1
    assert cache.health()["hits"] == 1


async def test_what_is_not_there_is_remembered(cache):
    """None is a value like any other."""
    calls = []

    async def load():
        calls.append(1)

    assert await cache.get_or_load("a", load) is None
    assert await cache.get_or_load("a", load) is None
    assert len(calls) == 1


async def test_a_load_that_began_before_an_invalidation_is_not_kept(cache, source):
    """Its reader gets it; the next one loads anew. To delete the key would not be enough."""
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    await cache.invalidate(keys=["a"])
    source.may_return.set()
    assert await early == 0
    assert await cache.get_or_load("a", source.load) == 1


async def test_a_reader_after_an_invalidation_joins_no_load_from_before(cache, source):
    """It starts one of its own, while the other is still on its way."""
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    await cache.invalidate(keys=["a"])
    source.has_read.clear()
    late = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    source.may_return.set()
    assert await late == 1
    assert await early == 0
    assert await cache.get_or_load("a", source.load) == 1
    assert source.loads == 2


@pytest.mark.parametrize("what", [{"patterns": ["a*"]}, {"patterns": ["*"]}, {"keys": ["b", "a"]}])
async def test_every_way_to_invalidate_voids_loads_on_their_way(cache, source, what):
    """Whatever names the key."""
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    await cache.invalidate(**what)
    source.may_return.set()
    await early
    assert await cache.get_or_load("a", source.load) == 1


async def test_clearing_voids_loads_on_their_way(cache, source):
    """The epoch stands above all generations."""
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    source.version = 1
    await cache.clear()
    source.may_return.set()
    await early
    assert await cache.get_or_load("a", source.load) == 1


async def test_a_load_that_nothing_has_overtaken_is_kept(source):
    """An invalidation of something else does not void it."""
    cache = MemoryCache()
    source.may_return.clear()
    early = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    other = next(f"b{n}" for n in range(10_000) if not _share_a_counter(cache, "a", f"b{n}"))
    await cache.invalidate(keys=[other])
    source.may_return.set()
    await early
    await cache.get_or_load("a", source.load)
    assert source.loads == 1


def _share_a_counter(cache, one, other):
    slot = cache._generations._slot
    return slot("key", one) == slot("key", other)


async def test_readers_of_one_key_share_a_load(cache, source):
    """All of them get its value."""
    source.may_return.clear()
    readers = [asyncio.create_task(cache.get_or_load("a", source.load)) for _ in range(10)]
    await source.has_read.wait()
    source.may_return.set()
    assert await asyncio.gather(*readers) == [0] * 10
    assert source.loads == 1
    assert cache.health()["joined"] == 9


async def test_readers_of_different_keys_do_not_wait_for_each_other(cache, source):
    """One that stands still holds up nobody else."""
    source.may_return.clear()
    slow = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()

    async def load():
        return "b"

    assert await cache.get_or_load("b", load) == "b"
    source.may_return.set()
    await slow


async def test_an_exception_reaches_all_who_waited_and_is_not_cached(cache):
    """The next reader tries again."""
    entered, leave = asyncio.Event(), asyncio.Event()
    calls = []

    async def load():
        calls.append(1)
        entered.set()
        await leave.wait()
        raise LookupError("no such user")

    readers = [asyncio.create_task(cache.get_or_load("a", load)) for _ in range(3)]
    await entered.wait()
    leave.set()
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(one) for one in results] == [LookupError] * 3
    assert len(calls) == 1
    with pytest.raises(LookupError):
        await cache.get_or_load("a", load)
    assert len(calls) == 2


@pytest.mark.parametrize("kind", [concurrent.futures.CancelledError, TimeoutError, LookupError])
async def test_whoever_waits_gets_the_very_exception(cache, source, kind):
    """Also one that asyncio would take for a cancellation of the one who waits."""
    error = kind("why")

    async def load():
        await source.load()
        raise error

    source.may_return.clear()
    readers = [asyncio.create_task(cache.get_or_load("a", load)) for _ in range(2)]
    await source.has_read.wait()
    source.may_return.set()
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert results[0] is results[1] is error
    assert cache.health()["joined"] == 1


async def test_cancelling_the_one_who_loads_fails_nobody_else(cache, source):
    """One of those who waited loads anew, and the others wait for that."""
    source.may_return.clear()
    leader = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    joiners = [asyncio.create_task(cache.get_or_load("a", source.load)) for _ in range(3)]
    while cache.health()["joined"] < 3:
        await asyncio.sleep(0)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    source.may_return.set()
    assert await asyncio.gather(*joiners) == [0, 0, 0]
    assert source.loads == 2


async def test_cancelling_one_who_waits_stops_nobody(cache, source):
    """Neither the load nor the others who wait for it."""
    source.may_return.clear()
    leader = asyncio.create_task(cache.get_or_load("a", source.load))
    await source.has_read.wait()
    first, second = (asyncio.create_task(cache.get_or_load("a", source.load)) for _ in range(2))
    while cache.health()["joined"] < 2:
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.may_return.set()
    assert await leader == await second == 0
    assert source.loads == 1


def test_whoever_waits_on_another_thread_can_never_cancel_the_load(source):
    """Not even before the one who loads it has begun to."""
    cache = MemoryCache()

    async def join_and_give_up():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await cache.get_or_load("a", source.load)

    class Between:
        """A lock after which, once it has been let go, somebody else comes between."""

        def __init__(self):
            self.lock, self.others = cache._flights._lock, [join_and_give_up]

        def __enter__(self):
            self.lock.acquire()

        def __exit__(self, *_):
            self.lock.release()
            if self.others:
                other = threading.Thread(target=asyncio.run, args=(self.others.pop()(),))
                other.start()
                other.join(10)

    cache._flights._lock = Between()
    assert asyncio.run(cache.get_or_load("a", source.load)) == 0
    assert cache.health()["joined"] == 1


async def test_a_loader_may_read_what_it_is_loading(cache):
    """It does not wait for itself."""

    async def inner():
        return 1

    async def outer():
        return await cache.get_or_load("a", inner) + 1

    async with asyncio.timeout(5):
        assert await cache.get_or_load("a", outer) == 2


async def test_a_loader_may_invalidate_what_it_is_loading(cache):
    """Then its value is not kept."""

    async def load():
        await cache.invalidate(keys=["a"])
        return 1

    assert await cache.get_or_load("a", load) == 1
    assert await cache.get_or_load("a", load) == 1
    assert cache.health()["loads"] == 2


def test_loops_of_several_threads_share_a_load(cache):
    """Who waits may be on another loop than who loads."""
    loads, entered, leave = [], threading.Event(), threading.Event()

    async def load():
        loads.append(1)
        entered.set()
        await asyncio.to_thread(leave.wait)
        return "value"

    results = []

    def read():
        results.append(asyncio.run(cache.get_or_load("a", load)))

    first = threading.Thread(target=read)
    first.start()
    assert entered.wait(10)
    others = [threading.Thread(target=read) for _ in range(3)]
    for thread in others:
        thread.start()
    while cache.health()["joined"] < 3:
        pass
    leave.set()
    for thread in (first, *others):
        thread.join(10)
    assert results == ["value"] * 4
    assert len(loads) == 1


def test_threads_that_write_and_read_see_nothing_stale():
    """Each read gives at least the version that was written before it began."""
    cache, versions, stale = MemoryCache(), [0], []
    done = threading.Event()

    async def load():
        version = versions[0]
        await asyncio.sleep(0)
        return version

    async def read():
        while not done.is_set():
            least = versions[1] if len(versions) > 1 else 0
            if await cache.get_or_load("a", load) < least:
                stale.append(least)

    async def write():
        versions.append(0)
        for version in range(1, 2_000):
            versions[0] = version
            await cache.invalidate(keys=["a"])
            versions[1] = version

    readers = [threading.Thread(target=asyncio.run, args=(read(),)) for _ in range(3)]
    for thread in readers:
        thread.start()
    asyncio.run(write())
    done.set()
    for thread in readers:
        thread.join(10)
    assert stale == []


def test_a_child_waits_for_no_load_of_its_parent(source):
    """What was on its way in another thread at the fork never arrives there."""
    cache = MemoryCache()
    entered, leave = threading.Event(), threading.Event()

    async def load():
        entered.set()
        await asyncio.to_thread(leave.wait)
        return "the parent's"

    async def load_in_child():
        return "its own"

    async def read():
        async with asyncio.timeout(10):
            return await cache.get_or_load("a", load_in_child)

    loading = threading.Thread(target=asyncio.run, args=(cache.get_or_load("a", load),))
    loading.start()
    assert entered.wait(10)
    child = fork()
    if child == 0:
        status = 1
        try:
            status = asyncio.run(read()) != "its own"
        finally:
            os._exit(status)
    leave.set()
    loading.join(10)
    assert os.waitpid(child, 0)[1] == 0


async def test_nothing_is_left_of_loads_that_have_ended(cache, source):
    """Neither of those that were kept nor of those that failed."""

    async def fail():
        raise LookupError

    await cache.get_or_load("a", source.load)
    with pytest.raises(LookupError):
        await cache.get_or_load("b", fail)
    assert len(cache._flights) == 0


@pytest.mark.parametrize("wrong", [7, None, b"a"])
async def test_a_key_is_text(cache, source, wrong):
    """What cannot be invalidated is not cached."""
    with pytest.raises(TypeError, match=r"^keys: "):
        await cache.get_or_load(wrong, source.load)
    with pytest.raises(TypeError, match=r"^keys: "):
        await cache.invalidate(keys=[wrong])
    with pytest.raises(TypeError, match=r"^keys: "):
        await cache.invalidate(keys="abc")
