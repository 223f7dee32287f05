"""The audit trail and `kill -9`: nothing that was acknowledged is lost, and the next one goes on.

A writer in a process of its own reports each event that it knows to be durable, and is killed at
a random moment; another goes on with its trail, 25 times. Batches are of random sizes, segments
are short, and every other trail is sealed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import struct
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.audit.trail import fork, numbers, own

from busway.events import Event
from busway_audit import AuditLogHandler, verify

__all__ = ["pieces", "run", "sample"]

KILLS = 10_000
EACH = 100
ON_ONE_TRAIL = 25
LONGEST = 0.03  # seconds that a writer lives after its first acknowledgement
KEY = "5a" * 32


def pieces() -> list[str]:
    """A hundred kills each."""
    return [f"{EACH} kills, seed {seed}" for seed in range(KILLS // EACH)]


def sample(seed: int) -> list[str]:
    """One of them."""
    return [random.Random(seed).choice(pieces())]


def run(piece: str) -> dict[str, int]:
    """Kill a hundred writers.

    Raises:
        AssertionError: if an event that was acknowledged is lost, or one is altered, doubled or
            out of order, or a writer does not recover what the one before has left.
    """
    chosen = random.Random(piece)
    counts: Counter[str] = Counter()
    for trail in range(EACH // ON_ONE_TRAIL):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "audit"
            key = KEY if trail % 2 else None
            acknowledged = [
                _run_and_kill(path, key, writer, chosen) for writer in range(ON_ONE_TRAIL)
            ]
            counts.update(_check(path, key, acknowledged))
    return dict(counts)


def _run_and_kill(path: Path, key: str | None, writer: int, chosen: random.Random) -> int:
    """How many events a writer had acknowledged when it was killed."""
    reading, writing = os.pipe()
    seed = chosen.randrange(2**32)
    child = fork()
    if child == 0:
        try:
            asyncio.run(_write(path, key, writer, writing, random.Random(seed)))
        finally:
            os._exit(1)  # it is killed before
    os.close(writing)
    told = os.read(reading, 4)
    assert told, "it could not go on with what the one before has left"
    time.sleep(chosen.uniform(0, LONGEST))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reading, 65_536):
        told += more
    os.close(reading)
    return int(struct.unpack("<I", told[len(told) // 4 * 4 - 4 : len(told) // 4 * 4])[0])


async def _write(
    path: Path, key: str | None, writer: int, acknowledgements: int, chosen: random.Random
) -> None:
    audit = AuditLogHandler(path, key=key, rotate_bytes=50_000, buffer_size=10)
    accepted = 0
    while True:
        for _ in range(chosen.randrange(1, 30)):
            filling = "x" * chosen.choice((0, 0, 100, 5_000))
            await audit.handle(Event("audit.log", {"n": [writer, accepted], "x": filling}))
            accepted += 1
        if chosen.random() < 0.5:
            await audit.flush()
            os.write(acknowledgements, struct.pack("<I", accepted))


def _check(path: Path, key: str | None, acknowledged: list[int]) -> Counter[str]:
    """Let one more writer go on, and see that what it finds and leaves is whole."""

    async def go_on() -> None:
        audit = AuditLogHandler(path, key=key)
        await audit.handle(Event("audit.log", {"n": [len(acknowledged), 0]}))
        await audit.stop()

    asyncio.run(go_on())
    seal = bytes.fromhex(key) if key else None
    found = numbers(path, seal)
    for writer, durable in enumerate([*acknowledged, 1]):
        written = [n for by, n in found if by == writer]
        assert written == list(range(len(written))), f"writer {writer}: {written}"
        assert len(written) >= durable, f"writer {writer}: {len(written)} of {durable}"
    assert [by for by, _ in found] == sorted(by for by, _ in found)
    assert verify(path, print, keys=[seal] if seal else []).whole
    return Counter(
        {
            "kills": len(acknowledged),
            "acknowledged events": sum(acknowledged),
            "events found": len(found),
            "torn batches": len(own(path, "recovered", seal)),
        }
    )
