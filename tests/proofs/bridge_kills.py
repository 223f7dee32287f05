"""A broker killed with -9 in the middle of events, and started again: none is lost.

A bus sends, sixteen publishes at a time, and another receives; when a part of the events has been
handled, the broker is killed and started again. Each live broker is set to what the bridge asks
of it: Redis syncs before it answers, JetStream keeps files, RabbitMQ quorum queues.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bridge.servers import KINDS, Server

from busway import Event, EventBus
from busway_bridge import BridgeHandler

__all__ = ["pieces", "run", "sample"]

SUBJECT = "orders"
SENDERS = 16
PATIENCE = 180.0


def pieces() -> list[str]:
    """Ten thousand events over each; and some, for the sample."""
    return [f"{kind} {count}" for count in (10_000, 500) for kind in KINDS]


def sample(seed: int) -> list[str]:
    """One short one."""
    return [random.Random(seed).choice([one for one in pieces() if one.endswith(" 500")])]


def run(piece: str) -> dict[str, int]:
    """Kill one in the middle.

    Raises:
        AssertionError: if an event that was sent is not handled.
    """
    kind, count = piece.split()
    with tempfile.TemporaryDirectory() as folder:
        server = KINDS[kind](Path(folder))
        try:
            server.start()
            return asyncio.run(_run(server, int(count)))
        finally:
            server.kill()


class _Seen:
    """Counts what is handled, by number, and when the last came."""

    event_types = ("user.login",)

    def __init__(self) -> None:
        self.times: Counter[int] = Counter()
        self.last = 0.0

    async def handle(self, event: Event) -> None:
        self.times[event.payload["n"]] += 1
        self.last = time.monotonic()


async def _run(server: Server, count: int) -> dict[str, int]:
    seen, out = _Seen(), EventBus()
    out.subscribe(BridgeHandler(url=server.url, out={"*": SUBJECT}, origin="out", timeout=PATIENCE))
    come = EventBus()
    bridge = BridgeHandler(url=server.url, subjects=[SUBJECT], origin="in", ack_wait=5.0)
    come.subscribe(seen)
    come.subscribe(bridge)
    numbers = iter(range(count))

    killed_at = asyncio.Event()

    async def send() -> None:
        for number in numbers:
            if number >= count // 2:
                await killed_at.wait()
            (await out.publish(Event("user.login", {"n": number}))).raise_for_errors()

    async with out, come:
        begun = time.monotonic()
        sending = asyncio.gather(*(send() for _ in range(SENDERS)))
        while len(seen.times) < count // 3 or time.monotonic() - begun < server.forgets_for:
            await asyncio.sleep(0.01)
        killed = time.monotonic()
        killing = asyncio.to_thread(server.kill)
        killed_at.set()
        await killing
        before = len(seen.times)
        await asyncio.to_thread(server.start)
        up = time.monotonic()
        while seen.last <= up and len(seen.times) < count:
            await asyncio.sleep(0.01)
        recovered = time.monotonic()
        await sending
        await _settle(seen, bridge, count)
        lost = count - len(seen.times)
        assert lost == 0, f"{lost} of {count} are lost"
        told = bridge.health()
        return {
            "events": count,
            "events lost": lost,
            "events handled before the kill": before,
            "events handled twice": sum(times > 1 for times in seen.times.values()),
            "deliveries known as duplicates": int(told["in_duplicates"]),
            "ms that the broker was away": round((up - killed) * 1000),
            "ms from then to the next event": round((recovered - up) * 1000),
        }


async def _settle(seen: _Seen, bridge: BridgeHandler, count: int) -> None:
    """Wait for all, and then for what comes once more."""
    until = time.monotonic() + PATIENCE
    while len(seen.times) < count and time.monotonic() < until:
        await asyncio.sleep(0.05)
    received = -1
    while received != bridge.health()["in_received"]:
        received = int(bridge.health()["in_received"])
        await asyncio.sleep(7.0)  # longer than what is not acknowledged waits
