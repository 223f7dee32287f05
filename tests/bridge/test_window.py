"""The window: an event is handled once at a time, and not again while it is remembered."""

from __future__ import annotations

import asyncio

from busway_bridge._window import Window


async def test_what_is_done_is_not_begun_again():
    """While it is remembered."""
    window = Window(10)
    assert await window.begin("a")
    window.end("a", done=True)
    assert not await window.begin("a")
    assert len(window) == 1


async def test_what_failed_is_begun_again():
    """It is not remembered."""
    window = Window(10)
    assert await window.begin("a")
    window.end("a", done=False)
    assert await window.begin("a")


async def test_the_oldest_are_forgotten_first():
    """So memory is bounded."""
    window = Window(2)
    for key in "abc":
        assert await window.begin(key)
        window.end(key, done=True)
    assert len(window) == 2
    assert not await window.begin("b")
    assert await window.begin("a")


async def test_a_second_one_waits_for_the_first():
    """And takes its place if it fails."""
    window = Window(10)
    assert await window.begin("a")
    second = asyncio.create_task(window.begin("a"))
    third = asyncio.create_task(window.begin("a"))
    await asyncio.sleep(0)
    assert not second.done()
    window.end("a", done=False)
    assert await second
    window.end("a", done=True)
    assert not await third


async def test_without_a_size_nothing_is_remembered():
    """Every delivery is handled."""
    window = Window(0)
    assert await window.begin("a")
    window.end("a", done=True)
    assert await window.begin("a")


async def test_one_that_waits_may_be_cancelled():
    """It is nothing to the first, nor to a third."""
    window = Window(10)
    assert await window.begin("a")
    second = asyncio.create_task(window.begin("a"))
    third = asyncio.create_task(window.begin("a"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    window.end("a", done=True)
    assert not await third
