"""What the audit trail costs, beside others, in one run on one disk.

The disk is that of the temporary directory (`TMPDIR`), which is to be a real one.

`throughput`: events a second, all durable at the end. Beside it the floor, a plain loop that does
the least (JSON by msgspec, a chain of SHA-256, a write and an fdatasync each 100 events); stdlib
`logging.FileHandler` with JSON, which syncs nothing; and SQLite in WAL mode with `synchronous`
FULL, a transaction each 100. At least 0.8 of the floor, and ahead of the other two.

`publish`: what a publish takes longer with the trail than with a handler that does nothing, at
the median: at most 5 µs. A flush after each thousand, which is not timed, keeps the buffer from
being full: then a publish would take as long as the disk does. The 99th percentile is told, too,
and that with a disk whose syncs take 50 ms.

`run`: `busway run` on a million generated events with the trail on, beside a plain loop that
decodes each, makes an `Event` of it, hashes, writes and syncs: at least 0.7 of that; memory flat.

Figures of short pieces, those that are sampled, are counted, and held against nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from busway import ANY, Event, EventBus
from busway_audit import AuditLogHandler, verify

__all__ = ["pieces", "run", "sample"]

BATCH = 100
ROUNDS = 5
FLOOR = 0.8
RUN_FLOOR = 0.7
ADDED = 5.0  # microseconds
BURST = 1_000


def pieces() -> list[str]:
    """What is measured, by how many events."""
    return [
        *("throughput 1000", "publish 1000", "run 2000"),
        *("throughput 50000", "publish 20000", "run 1000000"),
    ]


def sample(seed: int) -> list[str]:
    """The short ones."""
    return pieces()[:3]


def run(piece: str) -> dict[str, int]:
    """Measure one thing.

    Raises:
        AssertionError: if a floor is not reached, or something was not written.
    """
    name, count = piece.split()
    measure = {"throughput": _throughput, "publish": _publish, "run": _run}[name]
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), int(count), asserting=piece not in sample(0))


def _events(count: int) -> list[Event]:
    return [
        Event("user.login", {"user_id": n, "ip": "10.0.0.1", "method": "sso"}, source="web")
        for n in range(count)
    ]


def _throughput(folder: Path, count: int, *, asserting: bool) -> dict[str, int]:
    ways = {"floor": _floor, "trail": _trail, "logging": _log, "sqlite": _sqlite}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        for name, way in ways.items():
            events = _events(count)
            begun = time.perf_counter()
            way(folder / f"{name}{number}", events)
            rates[name].append(count / (time.perf_counter() - begun))
        assert verify(folder / f"trail{number}", print).events == count
    median = {name: statistics.median(told) for name, told in rates.items()}
    if asserting:
        assert median["trail"] >= FLOOR * median["floor"], median
        assert median["trail"] > max(median["logging"], median["sqlite"]), median
    return {f"events a second, {name}": round(rate) for name, rate in median.items()}


def _floor(path: Path, events: list[Event]) -> None:
    encode = msgspec.json.Encoder().encode
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    digest, batch = "", []
    for number, event in enumerate(events, start=1):
        line = encode(event.to_dict())
        digest = hashlib.sha256(digest.encode() + line).hexdigest()
        batch.append(b'%s,"hash":"%s"}\n' % (line[:-1], digest.encode()))
        if number % BATCH == 0:
            os.write(fd, b"".join(batch))
            os.fdatasync(fd)
            batch.clear()
    os.close(fd)


def _trail(path: Path, events: list[Event]) -> None:
    async def main() -> None:
        audit = AuditLogHandler(path, buffer_size=BATCH)
        for event in events:
            await audit.handle(event)
        await audit.stop()

    asyncio.run(main())


def _log(path: Path, events: list[Event]) -> None:
    handler = logging.FileHandler(path)
    logger = logging.getLogger("proof")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    for event in events:
        logger.info("%s", json.dumps(event.to_dict()))
    logger.removeHandler(handler)
    handler.close()


def _sqlite(path: Path, events: list[Event]) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE events (id TEXT PRIMARY KEY, event TEXT)")
    for begin in range(0, len(events), BATCH):
        database.execute("BEGIN")
        for event in events[begin : begin + BATCH]:
            row = (event.id, json.dumps(event.to_dict()))
            database.execute("INSERT INTO events VALUES (?, ?)", row)
        database.execute("COMMIT")
    database.close()


class _Idle:
    """Does nothing."""

    event_types = (ANY,)

    async def handle(self, event: Event) -> None:
        pass

    async def flush(self) -> None:
        pass


def _publish(folder: Path, count: int, *, asserting: bool) -> dict[str, int]:
    idle = statistics.median(_times(_Idle(), count)) / 1_000
    with_trail = _times(AuditLogHandler(folder / "audit"), count)
    added = statistics.median(with_trail) / 1_000 - idle
    sync = os.fdatasync

    def slow(fd: int) -> None:
        time.sleep(0.05)
        sync(fd)

    os.fdatasync = slow
    try:
        slowed = _times(AuditLogHandler(folder / "slow"), count)
    finally:
        os.fdatasync = sync
    if asserting:
        assert added <= ADDED, f"{added:.1f} µs"
    return {
        "ns added to a publish at the median": round(added * 1_000),
        "ns of a publish at the 99th percentile": _percentile(with_trail),
        "ns of that with a slow disk": _percentile(slowed),
    }


def _times(handler: Any, count: int) -> list[int]:
    """Nanoseconds of each publish."""

    async def main() -> list[int]:
        bus = EventBus()
        bus.subscribe(handler)
        times = []
        async with bus:
            for number, event in enumerate(_events(count), start=1):
                begun = time.perf_counter_ns()
                await bus.publish(event)
                times.append(time.perf_counter_ns() - begun)
                if number % BURST == 0:
                    await handler.flush()
        return times

    return asyncio.run(main())


def _percentile(times: list[int]) -> int:
    return sorted(times)[len(times) * 99 // 100]


def _run(folder: Path, count: int, *, asserting: bool) -> dict[str, int]:
    source = folder / "events.jsonl"
    with source.open("wb") as file:
        for begin in range(0, count, 10_000):
            for event in _events(min(10_000, count - begin)):
                file.write(msgspec.json.encode(event.to_dict()) + b"\n")
    begun = time.perf_counter()
    _loop(source, folder / "loop")
    loop = time.perf_counter() - begun
    begun = time.perf_counter()
    grown = _run_command(source, folder)
    command = time.perf_counter() - begun
    assert verify(folder / "audit", print).events == count
    if asserting:
        assert loop / command >= RUN_FLOOR, f"{loop / command:.2f} of the loop"
    return {
        "events a second, loop": round(count / loop),
        "events a second, busway run": round(count / command),
        "KiB of memory at most": grown,
    }


def _loop(source: Path, path: Path) -> None:
    """Decode, Event, hash, write and sync: what cannot be saved."""
    encode = msgspec.json.Encoder().encode
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    digest, batch = "", []
    with source.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            event = Event.from_dict(msgspec.json.decode(line))
            written = encode(event.to_dict())
            digest = hashlib.sha256(digest.encode() + written).hexdigest()
            batch.append(b'%s,"hash":"%s"}\n' % (written[:-1], digest.encode()))
            if number % BATCH == 0:
                os.write(fd, b"".join(batch))
                os.fdatasync(fd)
                batch.clear()
    os.close(fd)


MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""


def _run_command(source: Path, folder: Path) -> int:
    """Run it; the most memory that it had.

    From a small process: what a child has before it becomes another program counts as its own.
    """
    busway = [sys.executable, "-m", "busway_cli", "run", str(source), "--json"]
    command = [sys.executable, "-c", MEASURED, *busway]
    environment = {**os.environ, "BUSWAY_PLUGINS": "audit"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["failed"] == report["rejected"] == 0, report
    return int(done.stderr.split()[-1])
