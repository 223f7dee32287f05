"""Events a second over the bridge, beside FastStream alone and the native clients, in one run.

The work is the same: that many events, `Event.to_dict()` as JSON, sixteen being sent at a time,
each acknowledged by the broker; then all received and acknowledged one by one. The bridge takes
them from a bus, makes CloudEvents of them, checks them, knows duplicates, and publishes them on a
bus; FastStream sends and decodes JSON; the native clients send JSON, and read bytes. At least 0.8
of FastStream alone.

Figures of short pieces, those that are sampled, are counted, and held against nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bridge.peers import FASTSTREAM, NATIVE
from tests.bridge.servers import KINDS, Redis

from busway import Event, EventBus, EventHandler
from busway_bridge import BridgeHandler

__all__ = ["pieces", "run", "sample"]

AT_ONCE = 16
ROUNDS = 5
GOAL = 0.8
Send = Callable[[Any], Awaitable[object]]


class _Late(Redis):
    """As Debian has it, but for the file: else the disk is measured, and nothing else."""

    sync = "everysec"


SERVERS = {**KINDS, "redis": _Late}


def pieces() -> list[str]:
    """Each live broker; Redis with few, for the sample."""
    return ["redis 200", *(f"{kind} 3000" for kind in SERVERS)]


def sample(seed: int) -> list[str]:
    """The short one."""
    return pieces()[:1]


def run(piece: str) -> dict[str, int]:
    """Measure one broker.

    Raises:
        AssertionError: if the goal is not reached.
    """
    kind, count = piece.split()
    with tempfile.TemporaryDirectory() as folder:
        server = SERVERS[kind](Path(folder))
        try:
            server.start()
            rates = asyncio.run(_measure(kind, server.url, int(count)))
        finally:
            server.kill()
    counts = {
        f"events a second, {kind}, {name}": round(statistics.median(told))
        for name, told in rates.items()
    }
    for way in ("out", "in"):
        # of each round by itself: whatever else the machine does, it does to both
        rounds = zip(rates[f"bridge {way}"], rates[f"faststream {way}"], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in rounds)
        assert ratio >= GOAL or piece in sample(0), f"{way}: {ratio:.2f} of FastStream: {counts}"
        counts[f"% of FastStream, {kind}, {way}"] = round(100 * ratio)
    return counts


async def _measure(kind: str, url: str, count: int) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {}
    peers = {"bridge": _bridge, "faststream": FASTSTREAM[kind], "native": NATIVE[kind]}
    for number in range(ROUNDS):
        for name, way in peers.items():
            counted = _Count(count + 1)
            made = _payload if name == "bridge" else _envelope
            out, come = way(url, f"{name}{number}", made, counted.handle)
            async with out as send:
                await send(-1)  # what is declared with the first is not timed
                begun = time.perf_counter()
                await _send_all(send, count)
                rates.setdefault(f"{name} out", []).append(count / (time.perf_counter() - begun))
            async with come as begin:
                begun = time.perf_counter()
                await begin()
                await counted.done.wait()
                rates.setdefault(f"{name} in", []).append(count / (time.perf_counter() - begun))
    return rates


async def _send_all(send: Send, count: int) -> None:
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await send(number)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def _payload(number: int) -> dict[str, Any]:
    return {"user_id": number, "ip": "10.0.0.1", "method": "sso"}


def _envelope(number: int) -> dict[str, Any]:
    """What somebody would send who has no bridge."""
    return Event("user.login", _payload(number)).to_dict()


class _Count:
    """Sets `done` when as many have come."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.done = asyncio.Event()

    async def handle(self, message: object) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


class _Counting(EventHandler):
    """The handler of the bus that receives."""

    def __init__(self, counted: Send) -> None:
        self._counted = counted

    @property
    def event_types(self) -> list[str]:
        return ["user.login"]

    async def handle(self, event: Event) -> None:
        await self._counted(event)


def _bridge(url: str, subject: str, payload: Any, counted: Any) -> tuple[Any, Any]:
    @asynccontextmanager
    async def out() -> AsyncIterator[Send]:
        bus = EventBus()
        bus.subscribe(BridgeHandler(url=url, out={"*": subject}, origin="out"))

        async def send(number: int) -> None:
            (await bus.publish(Event("user.login", payload(number)))).raise_for_errors()

        async with bus:
            yield send

    @asynccontextmanager
    async def come() -> AsyncIterator[Any]:
        bus = EventBus()
        bus.subscribe(_Counting(counted))
        bus.subscribe(BridgeHandler(url=url, subjects=[subject], origin="in"))
        async with AsyncExitStack() as stack:

            async def begin() -> None:
                await stack.enter_async_context(bus)

            yield begin

    return out(), come()
