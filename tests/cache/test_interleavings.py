"""The harness of the proofs: it misses no order, and finds out a cache that is wrong."""

import asyncio
import hashlib
from math import factorial

import pytest
from tests.cache.register import PlainCache, Register
from tests.cache.servers import RedisServer
from tests.cache.stepping import orders, step
from tests.proofs import cache_interleavings, cache_redis

from busway_cache import _redis_scripts
from busway_cache._debt import Debt
from busway_cache._look import MISS


@pytest.mark.parametrize("lengths", [(1,), (2, 3), (1, 2, 3), (0, 2), (2, 2, 2)])
def test_every_order_is_run_once(lengths):
    """As many as there are: a multinomial coefficient, all of them different."""
    seen = []

    async def scenario():
        order = []
        seen.append(order)

        def actor(name, length):
            async def walk():
                for _ in range(length):
                    await step()
                    order.append(name)

            return walk

        return {str(name): actor(name, length) for name, length in enumerate(lengths)}

    for steps in orders(scenario):
        assert steps == sum(lengths)
    expected = factorial(sum(lengths))
    for length in lengths:
        expected //= factorial(length)
    assert len(seen) == len({tuple(order) for order in seen}) == expected


def test_what_waits_for_another_is_not_chosen():
    """Only the orders that there can be are run."""
    seen = []

    async def scenario():
        order, opened = [], asyncio.Event()
        seen.append(order)

        async def first():
            await step()
            order.append("first")
            opened.set()

        async def second():
            await opened.wait()
            await step()
            order.append("second")

        return {"a": second, "b": first}

    assert len(list(orders(scenario))) == 1
    assert seen == [["first", "second"]]


def test_an_actor_that_raises_fails_the_run():
    """It is not taken for one that has ended."""

    async def fail():
        await step()
        raise LookupError

    async def scenario():
        return {"a": fail}

    with pytest.raises(LookupError):
        list(orders(scenario))


async def test_the_register_counts_what_is_stale():
    """Less than what was complete when the read began."""

    class Old:
        async def get_or_load(self, key, loader):
            return 0

    register = Register()
    await register.read(Old())
    await register.write(register.bus(PlainCache()))
    await register.read(Old(), times=2)
    assert (register.reads, register.stale, register.complete) == (3, 2, 1)


def test_a_cache_that_keeps_what_was_overtaken_is_found_out(monkeypatch):
    """Were tokens not asked for, the proof would not hold."""
    cache = cache_interleavings.MemoryCache
    monkeypatch.setattr(
        cache, "_keep", lambda self, key, value, look, tags, kept_for: _keep(self, key, value)
    )
    with pytest.raises(AssertionError, match="stale"):
        cache_interleavings.run("memory: two readers, one write")


async def _keep(cache, key, value):
    cache._put(key, value, (), None)


def test_a_cache_whose_readers_join_older_loads_is_found_out(monkeypatch):
    """Were loads shared by key alone, the proof would not hold."""
    flights = cache_interleavings.MemoryCache()._flights
    run = type(flights).run
    monkeypatch.setattr(
        type(flights), "run", lambda self, ticket, *others: run(self, ticket[0], *others)
    )
    with pytest.raises(AssertionError, match="stale"):
        cache_interleavings.run("memory: two readers, one write")


@pytest.mark.parametrize("piece", ["failing: one reader twice, two writes"])
def test_a_cache_that_fails_open_is_found_out(monkeypatch, piece):
    """Were it served after a failed invalidation, the proof would not hold."""
    monkeypatch.setattr(Debt, "owe", lambda self, error: None)
    with pytest.raises(AssertionError, match="stale"):
        cache_interleavings.run(piece)


def test_entries_without_generations_are_found_out(monkeypatch):
    """Were what cashews holds believed, a store that comes late would be served."""
    monkeypatch.setattr(
        cache_interleavings.CashewsCache,
        "_valid",
        lambda self, key, entry: MISS if entry is None else entry[-1],
    )
    with pytest.raises(AssertionError, match="stale"):
        cache_interleavings.run("cashews: one reader twice, one write")


@pytest.mark.skipif(RedisServer.program is None, reason="redis-server is not installed")
@pytest.mark.parametrize(
    ("change", "piece"),
    [
        ("a restart unnoticed", "a writer; killed, with a snapshot"),
        ("failures forgotten", "a writer; cut off"),
        ("generations unasked", "a reader and a writer; left alone"),
    ],
)
def test_a_cache_in_redis_that_is_wrong_is_found_out(monkeypatch, change, piece):
    """Each of its parts is needed for the proof to hold."""
    if change == "a restart unnoticed":
        _rewrite(monkeypatch, "state[1] ~= run", "not state[1]")
    elif change == "generations unasked":
        _rewrite(monkeypatch, "~= generation then", "== 'never' then")
        _rewrite(monkeypatch, "return {epoch} end", "end")
    else:
        monkeypatch.setattr(Debt, "owe", lambda self, error: None)
    with pytest.raises(AssertionError, match="stale"):
        cache_redis.run(piece)


def _rewrite(monkeypatch, old, new):
    for name in ("DROP", "FLUSH", "KEEP", "LOADS", "LOOK"):
        script = getattr(_redis_scripts, name).replace(old, new)
        monkeypatch.setattr(_redis_scripts, name, script)
        digest = hashlib.sha1(script.encode()).hexdigest()
        monkeypatch.setitem(_redis_scripts.DIGESTS, script, digest)
