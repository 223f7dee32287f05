"""Rate limits: what passes, what is stopped and counted, and what a flood may cost."""

from __future__ import annotations

import sys
import threading
import time
import tracemalloc
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from busway import Event, EventType
from busway_middleware import INVALIDATIONS, RateLimitMiddleware
from busway_middleware._windows import MovingWindows


def passed(middleware, *events):
    return [middleware(event) is event for event in events]


def failed(address, type_="user.login_failed"):
    return Event(type_, {"ip_address": address})


def test_each_type_has_its_rate():
    """The default: so many of each type."""
    middleware = RateLimitMiddleware(rate="2/minute")
    events = [Event("user.login") for _ in range(3)] + [Event("user.logout")]
    assert passed(middleware, *events) == [True, True, False, True]


def test_each_source_has_its_rate():
    """Whatever the types."""
    middleware = RateLimitMiddleware(rate="1/minute", per="source")
    events = [
        Event("user.login", source="web"),
        Event("user.logout", source="web"),
        Event("user.login", source="jobs"),
        Event("user.login"),
    ]
    assert passed(middleware, *events) == [True, False, True, True]


def test_each_value_of_a_key_has_its_rate():
    """Whatever the types; only those that are limited count."""
    middleware = RateLimitMiddleware(
        rate="1/minute", per="key", key="ip_address", types=["user.log*"]
    )
    events = [failed("a"), failed("a", "user.login"), failed("b"), failed("a", "audit.log")]
    assert passed(middleware, *events) == [True, False, True, True]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(7, id="number"),
        pytest.param(10**5000, id="number too long for a text"),
        pytest.param("x" * 1000, id="long text"),
        pytest.param("\ud800" * 200, id="surrogates"),
        UUID(int=7),
        True,
    ],
)
def test_values_of_several_kinds_are_told_apart(value):
    """Texts, numbers and UUIDs, of whatever length."""
    middleware = RateLimitMiddleware(rate="1/minute", per="key", key="ip_address")
    assert passed(middleware, failed(value), failed(value), failed("other")) == [True, False, True]


def test_a_text_uses_up_no_limit_of_another_kind():
    """Who chooses a text cannot take the number or UUID of another."""
    middleware = RateLimitMiddleware(rate="1/minute", per="key", key="ip_address")
    values = ("1a", 26, str(UUID(int=7)), UUID(int=7), "", None)
    assert passed(middleware, *map(failed, values)) == [True, True, True, True, True, False]


def test_what_has_no_such_key_is_limited_together():
    """To leave it out is no way around the limit."""
    middleware = RateLimitMiddleware(rate="2/minute", per="key", key="ip_address")
    events = [Event("user.login"), failed(None), failed([1]), failed(["2"]), failed("a")]
    assert passed(middleware, *events) == [True, True, False, False, True]


@pytest.mark.parametrize("type_", INVALIDATIONS)
def test_an_invalidation_is_never_limited_by_default(type_):
    """Nor does it count against the rate of others."""
    middleware = RateLimitMiddleware(rate="1/minute", per="source")
    assert passed(middleware, *(Event(type_) for _ in range(5))) == [True] * 5
    assert passed(middleware, Event("user.login"), Event("user.login")) == [True, False]


@pytest.mark.parametrize("options", [{"exempt": []}, {"types": ["user.updated"]}])
def test_an_invalidation_can_be_limited(options):
    """If nothing is exempt, or it is named."""
    middleware = RateLimitMiddleware(rate="1/minute", **options)
    assert passed(middleware, Event("user.updated"), Event("user.updated")) == [True, False]


async def test_what_is_limited_is_counted_in_the_health_of_the_bus(bus, hear):
    """In all and by type, and the publisher learns it; nothing is silently gone."""
    middleware, heard = RateLimitMiddleware(rate="2/minute"), hear()
    bus.add_middleware(middleware)
    results = await bus.publish_many([Event("user.login") for _ in range(5)])
    assert [one.blocked_by for one in results] == [None, None, *[middleware] * 3]
    assert len(heard.events) == 2
    told = {"limited": 3, "limited_user.login": 3, "keys": 1, "evicted_keys": 0}
    assert bus.health()["ratelimit"] == told


def test_a_flood_of_keys_is_bounded():
    """100,000 addresses: so many are remembered as was said, and the rest is counted."""
    middleware = RateLimitMiddleware(rate="5/hour", per="key", key="ip_address", max_keys=1_000)
    threads = threading.active_count()
    tracemalloc.start()
    try:
        for number in range(100_000):
            middleware(failed(number))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    told = {"limited": 0, "keys": 1_000, "evicted_keys": 99_000}
    assert middleware.health() == told
    assert held < 2_000_000
    assert threading.active_count() == threads


def test_the_key_that_was_not_seen_for_longest_is_given_up():
    """One that is seen all the time stays limited through a flood of others."""
    middleware = RateLimitMiddleware(rate="1/hour", per="key", key="ip_address", max_keys=10)
    middleware(failed("attacker"))
    for number in range(1_000):
        assert middleware(failed("attacker")) is None
        assert middleware(failed(number)) is not None


def test_threads_share_one_limit():
    """Eight threads, 500 events each: exactly as many pass as may."""
    middleware, through = RateLimitMiddleware(rate="100/hour"), []

    def flood():
        through.append(sum(middleware(Event("user.login")) is not None for _ in range(500)))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=flood) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sum(through) == 100
    assert middleware.health()["limited"] == 8 * 500 - 100


@pytest.mark.parametrize(
    ("settings", "error", "culprit"),
    [
        *(
            ({"rate": rate}, ValueError, "rate: ")
            for rate in (
                "fast",
                "0/minute",
                "1/minute;2/hour",
                "10000000/day",
                "-1/day",
            )
        ),
        *(({"rate": rate}, TypeError, "rate: ") for rate in ("", 5, None)),
        ({"per": "user"}, ValueError, "per: "),
        ({"per": "key"}, ValueError, "key: "),
        ({"key": "ip_address"}, ValueError, "key: "),
        ({"per": "key", "key": ""}, TypeError, "key: "),
        ({"max_keys": 0}, ValueError, "max_keys: "),
        ({"max_keys": True}, TypeError, "max_keys: "),
        ({"types": "user.*"}, TypeError, "types: "),
        ({"exempt": "user.*"}, TypeError, "exempt: "),
        ({"types": ["audit.log"], "exempt": ["audit.log"]}, ValueError, "exempt: audit.log"),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings, error, culprit):
    """With what is expected."""
    with pytest.raises(error, match=f"^{culprit}"):
        RateLimitMiddleware(**{"rate": "1/minute", **settings})


def test_types_that_are_not_limited_pass():
    """By name or pattern."""
    middleware = RateLimitMiddleware(rate="1/hour", per="source", types=["user.login"])
    assert passed(middleware, *map(Event, EventType)) == [True] * len(EventType)


# -- the windows ---------------------------------------------------------------------------------


class Clock:
    """Tells the time that it is set to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


_STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 7)), max_size=60)


@settings(deadline=None)
@given(steps=_STEPS, amount=st.integers(1, 4), seconds=st.integers(1, 9))
def test_it_answers_as_the_storage_of_limits_does(steps, amount, seconds):
    """The same keys at the same times pass, and are stopped."""
    clock, rate = Clock(), parse(f"{amount} per {seconds} seconds")
    ours = MovingWindowRateLimiter(MovingWindows(100, clock))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", clock)
        patch.setattr(MemoryStorage, "_MemoryStorage__schedule_expiry", lambda self: None)
        theirs = MovingWindowRateLimiter(MemoryStorage())
        for key, pause in steps:
            clock.now += pause
            assert ours.hit(rate, key) == theirs.hit(rate, key)
        theirs.storage.timer.join()


@settings(deadline=None)
@given(steps=_STEPS)
def test_in_no_window_more_pass_than_may(steps):
    """The law that the moving window is used for."""
    clock, through = Clock(), {"a": [], "b": []}
    windows = MovingWindows(100, clock)
    for key, pause in steps:
        clock.now += pause
        if windows.acquire_entry(key, 3, 5):
            through[key].append(clock.now)
    for times in through.values():
        assert all(late - early > 5 for early, late in zip(times, times[3:], strict=False))


def test_a_window_can_be_cleared():
    """One, or all of them."""
    clock = Clock()
    windows = MovingWindows(10, clock)
    assert windows.check()
    for key in "abc":
        windows.acquire_entry(key, 1, 60)
    windows.clear("a")
    assert [windows.acquire_entry(key, 1, 60) for key in "ab"] == [True, False]
    assert windows.reset() == 3
    assert windows.get_moving_window("b", 1, 60) == (clock.now, 0)


def test_several_at_once_are_all_or_none():
    """As `limits` has it, `cost` and all."""
    windows = MovingWindows(10, Clock())
    assert windows.acquire_entry("a", 3, 60, amount=2)
    assert not windows.acquire_entry("a", 3, 60, amount=2)
    assert windows.acquire_entry("a", 3, 60, amount=1)
    assert not windows.acquire_entry("b", 3, 60, amount=4)


def test_a_key_whose_window_is_over_is_given_up_uncounted():
    """Nobody loses anything by it."""
    clock = Clock()
    windows = MovingWindows(1, clock)
    windows.acquire_entry("a", 1, 60)
    clock.now += 61
    windows.acquire_entry("b", 1, 60)
    assert windows.evicted == 0
    windows.acquire_entry("c", 1, 60)
    assert windows.evicted == 1
