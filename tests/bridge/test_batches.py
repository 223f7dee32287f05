"""Batches: what waits goes together, and each sender learns what became of its own."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from busway_bridge._brokers.batches import Batches


async def test_what_comes_meanwhile_goes_together():
    """In the order in which it came."""
    flushed, gate = [], asyncio.Event()

    async def flush(items):
        flushed.append([key for _, _, key in items])
        await gate.wait()
        return [None] * len(items)

    batches = Batches(flush)
    sending = [asyncio.create_task(batches.send(("s", b"", "0")))]
    while not flushed:
        await asyncio.sleep(0)
    sending += [asyncio.create_task(batches.send(("s", b"", key))) for key in "123"]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*sending)
    assert flushed == [["0"], ["1", "2", "3"]]
    await batches.close()


async def test_each_sender_learns_of_its_own():
    """One that failed does not fail the others; a batch that failed fails all."""

    async def flush(items):
        if any(key == "all" for _, _, key in items):
            raise ConnectionError("away")
        return [ValueError(key) if key == "bad" else None for _, _, key in items]

    batches = Batches(flush)
    results = await asyncio.gather(
        *(batches.send(("s", b"", key)) for key in ("good", "bad")), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], ValueError)
    with pytest.raises(ConnectionError):
        await batches.send(("s", b"", "all"))


async def test_one_that_gives_up_is_left_out():
    """And holds up nobody."""
    flushed = []

    async def flush(items):
        flushed.extend(key for _, _, key in items)
        return [None] * len(items)

    batches = Batches(flush)
    given_up = asyncio.create_task(batches.send(("s", b"", "1")))
    kept = asyncio.create_task(batches.send(("s", b"", "2")))
    asyncio.get_running_loop().call_soon(given_up.cancel)
    await kept
    await asyncio.wait([given_up])
    assert "2" in flushed


async def test_who_gave_up_is_not_waited_for():
    """What he sent is let go of while a batch hangs, and never sent."""
    flushed, gate = [], asyncio.Event()

    async def flush(items):
        flushed.extend(key for _, _, key in items)
        await gate.wait()
        return [None] * len(items)

    class Body:
        """One that can be looked for."""

    batches, body = Batches(flush), Body()
    first = asyncio.create_task(batches.send(("s", b"", "first")))
    while not flushed:
        await asyncio.sleep(0)
    given_up = asyncio.create_task(batches.send(("s", body, "given up")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    seen = weakref.ref(body)
    del body, given_up
    gc.collect()
    assert seen() is None
    gate.set()
    await first
    assert flushed == ["first"]
