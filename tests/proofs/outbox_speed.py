"""What the outbox costs, beside others with the same promise, in one run on one disk.

The disk is that of the temporary directory (`TMPDIR`), which is to be a real one.

`deliveries`: events a second that are recorded durably, handled by a handler that does nothing,
and told to be done. The floor is a plain loop over SQLite in WAL mode with `synchronous` FULL, a
commit for each insert; `loop with done` commits the end of each, too, as a queue has to. Beside
them stand litequeue and persist-queue, if they are installed (`tests/proofs/requirements.txt`),
with `synchronous` FULL, too: put, take, and acknowledge. The outbox, when 100 publish at once, is
ahead of all of them. The goal, 10 times the floor, is missed where a sync is cheap, and is not held
against it there: the floor waits for a sync an event, the outbox shares it and is bound by Python.
On a disk where the floor makes 1,900 a second it is 4.6 times.

`slow`: the loop and the outbox again, each sync made 1 ms longer by strace: there the outbox is at
least 10 times the loop.

`postgresql`: the same on PostgreSQL with fsync, beside its own loop of commits: ahead of that.

`unused`: a publish to a handler that is not durable, on a bus with an outbox and on one without:
the medians differ by 3 % at most.

Figures of short pieces, those that are sampled, are counted, and held against nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from tests.outbox.servers import Postgres, missing

from busway import Event, EventBus
from busway.handlers import EventHandler
from busway_outbox import Outbox

__all__ = ["pieces", "run", "sample"]

AT_ONCE = 100
TIMES = 10.0
LONGER = 1_000
"""Microseconds."""
SAME = 1.03
ROUNDS = 3


def pieces() -> list[str]:
    """What is measured, by how many events."""
    return [
        *("deliveries 200", "postgresql 200", "slow 200", "unused 1000"),
        *("deliveries 5000", "postgresql 5000", "slow 5000", "unused 50000"),
    ]


def sample(seed: int) -> list[str]:
    """The short ones."""
    return [one for one in pieces()[:4] if not _lacks(one)]


def _lacks(piece: str) -> bool:
    """Whether a program is missing that a piece needs."""
    if "slow" in piece:
        return shutil.which("strace") is None
    return bool(missing()) and "postgresql" in piece


def run(piece: str) -> dict[str, int]:
    """Measure one thing.

    Raises:
        AssertionError: if a goal is missed, or something was not delivered.
    """
    name, count = piece.split()
    asserting = piece not in pieces()[:4]
    if name == "unused":
        return _unused(int(count), asserting=asserting)
    if name == "postgresql":
        with Postgres(fsync=True) as server:
            ways = {"loop": _psycopg, "outbox, one": _one, "outbox": _many}
            return _asserted(_compare(ways, server.database, int(count)), 1.0, asserting=asserting)
    if name == "slow":
        return _asserted(_slow(int(count)), TIMES, asserting=asserting)
    ways = {"loop": _loop, "loop with done": _loop_with_done, "outbox, one": _one, "outbox": _many}
    if importlib.util.find_spec("litequeue"):
        ways["litequeue"] = _litequeue
    if importlib.util.find_spec("persistqueue"):
        ways["persist-queue"] = _persist_queue
    return _asserted(_on_sqlite(ways, int(count)), 1.0, asserting=asserting)


def _asserted(rates: dict[str, int], times: float, *, asserting: bool) -> dict[str, int]:
    """The rates, if the outbox is so many times ahead of the loop, and of all others."""
    if asserting:
        assert rates["outbox"] >= times * rates["loop"], rates
        assert rates["outbox"] > max(rate for name, rate in rates.items() if name != "outbox"), (
            rates
        )
    return {f"events a second, {name}": rate for name, rate in rates.items()}


def _slow(count: int) -> dict[str, int]:
    """The rates of a process of its own, whose syncs take longer."""
    calls = "fsync,fdatasync"
    injected = f"inject={calls}:delay_enter={LONGER}"
    command = [
        *("strace", "-f", "-qq", "--seccomp-bpf", "-o", os.devnull),
        *("-e", f"trace={calls}", "-e", injected),
        *(sys.executable, "-m", "tests.proofs.outbox_speed", str(count)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    rates: dict[str, int] = json.loads(done.stdout)
    return rates


def _on_sqlite(ways: dict[str, Callable[[str, list[Event]], None]], count: int) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(1_000))
        return _compare(ways, lambda: f"sqlite:{Path(folder) / str(next(numbers))}", count)


def _compare(
    ways: dict[str, Callable[[str, list[Event]], None]],
    new: Callable[[], str],
    count: int,
) -> dict[str, int]:
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            url = new()
            fewer = count if name == "outbox" else max(100, count // 10)  # the others take long
            events = [Event("user.login", {"user_id": n, "ip": "10.0.0.1"}) for n in range(fewer)]
            begun = time.perf_counter()
            way(url, events)
            rates[name].append(fewer / (time.perf_counter() - begun))
    return {name: round(statistics.median(told)) for name, told in rates.items()}


def _opened(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url.removeprefix("sqlite:"), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE events (id TEXT PRIMARY KEY, event TEXT, state TEXT)")
    return connection


def _loop(url: str, events: list[Event]) -> None:
    with contextlib.closing(_opened(url)) as connection:
        for event in events:
            row = (event.id, json.dumps(event.to_dict()))
            connection.execute("INSERT INTO events VALUES (?, ?, 'running')", row)


def _loop_with_done(url: str, events: list[Event]) -> None:
    with contextlib.closing(_opened(url)) as connection:
        for event in events:
            row = (event.id, json.dumps(event.to_dict()))
            connection.execute("INSERT INTO events VALUES (?, ?, 'running')", row)
            connection.execute("UPDATE events SET state = 'done' WHERE id = ?", row[:1])


def _psycopg(url: str, events: list[Event]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE events (id TEXT PRIMARY KEY, event TEXT, state TEXT)")
        for event in events:
            row = (event.id, json.dumps(event.to_dict()))
            connection.execute("INSERT INTO events VALUES (%s, %s, 'running')", row)


def _litequeue(url: str, events: list[Event]) -> None:
    import litequeue  # type: ignore[import-not-found]

    queue = litequeue.LiteQueue(url.removeprefix("sqlite:"))
    queue.conn.execute("PRAGMA synchronous = FULL")
    for event in events:
        queue.put(json.dumps(event.to_dict()))
        queue.done(queue.pop().message_id)
    queue.conn.close()


def _persist_queue(url: str, events: list[Event]) -> None:
    import persistqueue  # type: ignore[import-not-found]
    from persistqueue.serializers import json as as_json  # type: ignore[import-not-found]

    queue = persistqueue.SQLiteAckQueue(url.removeprefix("sqlite:"), serializer=as_json)
    for event in events:
        queue.put(event.to_dict())
        queue.ack(queue.get())
    queue.close()


class _Idle(EventHandler):
    """Does nothing but count."""

    event_types = ("user.login",)

    def __init__(self, *, durable: bool) -> None:
        self.durable = durable
        self.count = 0

    async def handle(self, event: Event) -> None:
        self.count += 1


def _one(url: str, events: list[Event]) -> None:
    asyncio.run(_publish(url, events, 1))


def _many(url: str, events: list[Event]) -> None:
    asyncio.run(_publish(url, events, AT_ONCE))


async def _publish(url: str, events: list[Event], at_once: int) -> None:
    outbox, handler, bus = Outbox(url=url), _Idle(durable=True), EventBus()
    outbox.attach(bus)
    bus.subscribe(handler)
    left = iter(events)

    async def publish() -> None:
        for event in left:
            assert (await bus.publish(event)).ok

    await asyncio.gather(*(publish() for _ in range(at_once)))
    await outbox.stop()  # all are told to be done, durably
    assert handler.count == len(events)


def _unused(count: int, *, asserting: bool) -> dict[str, int]:
    """In turns, so that whatever else the machine does is shared by both."""
    without, with_it = EventBus(), EventBus()
    Outbox().attach(with_it)
    for bus in (without, with_it):
        bus.subscribe(_Idle(durable=False))
    times: dict[EventBus, list[int]] = {without: [], with_it: []}

    async def main() -> None:
        for n in range(count):
            for bus in (without, with_it) if n % 2 else (with_it, without):
                event = Event("user.login", {"user_id": n})
                begun = time.perf_counter_ns()
                await bus.publish(event)
                times[bus].append(time.perf_counter_ns() - begun)

    asyncio.run(main())
    alone, beside = (statistics.median(times[bus]) for bus in (without, with_it))
    if asserting:
        assert beside <= SAME * alone, f"{beside} ns, and {alone} without"
    return {"ns of a publish, without": round(alone), "ns of a publish, with": round(beside)}


if __name__ == "__main__":
    print(json.dumps(_on_sqlite({"loop": _loop, "outbox": _many}, int(sys.argv[1]))))
