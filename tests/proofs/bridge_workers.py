"""Two publishers and four workers, each a process of its own; one worker is killed in the middle.

Each event is handled once or more, none is lost. Counted: who handled how many, how many were
handled twice, and how long an event takes from its publish to its handler: while the broker is
full, and, paced, while it is empty.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bridge.servers import KINDS

__all__ = ["pieces", "run", "sample"]

PUBLISHERS = 2
WORKERS = 4
PATIENCE = 1_800.0

PUBLISH = """
import asyncio, sys
from busway import Event, EventBus
from busway_bridge import BridgeHandler
url, first, last, pause = sys.argv[1], *map(float, sys.argv[2:])
numbers = iter(range(int(first), int(last)))
async def main():
    bus = EventBus()
    bus.subscribe(BridgeHandler(url=url, out={"*": "orders"}, origin="out", timeout=300.0))
    async def send():
        for number in numbers:
            (await bus.publish(Event("user.login", {"n": number}))).raise_for_errors()
            await asyncio.sleep(pause)
    async with bus:
        await asyncio.gather(*(send() for _ in range(1 if pause else 16)))
asyncio.run(main())
"""

WORK = """
import asyncio, os, sys, time
from busway import ANY, EventBus, EventHandler
from busway_bridge import BridgeHandler
url, path = sys.argv[1:]
file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
class Note(EventHandler):
    event_types = [ANY]
    def handle(self, event):
        taken = time.time() - event.timestamp.timestamp()
        os.write(file, b"%d %d\\n" % (event.payload["n"], taken * 1e6))
async def main():
    bus = EventBus()
    bus.subscribe(Note())
    bus.subscribe(BridgeHandler(url=url, subjects=["orders"], origin="in", ack_wait=10.0))
    async with bus:
        await asyncio.Event().wait()
asyncio.run(main())
"""


def pieces() -> list[str]:
    """A hundred thousand over Redis, some over each, for the sample; and paced ones."""
    return [
        "redis 100000",
        *(f"{kind} 2000" for kind in KINDS),
        *(f"{kind} 500 paced" for kind in KINDS),
    ]


def sample(seed: int) -> list[str]:
    """Some over one, Redis or NATS: they start in no time."""
    return [random.Random(seed).choice(["redis 2000", "nats 2000"])]


def run(piece: str) -> dict[str, int]:
    """Publish, work, and kill one.

    Raises:
        AssertionError: if an event is not handled.
    """
    kind, number, *paced = piece.split()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server").mkdir()
        server = KINDS[kind](folder / "server")
        started: list[subprocess.Popen[bytes]] = []
        try:
            server.start()
            return _run(server.url, folder, int(number), bool(paced), started)
        finally:
            for one in started:
                one.kill()
                one.wait()
            server.kill()


def _run(
    url: str, folder: Path, count: int, paced: bool, started: list[subprocess.Popen[bytes]]
) -> dict[str, int]:
    files = [folder / f"worker-{number}" for number in range(WORKERS)]
    workers = [_start(WORK, url, str(file)) for file in files]
    started += workers
    each = count // PUBLISHERS
    begun = time.monotonic()
    for number in range(PUBLISHERS):
        pause = "0.02" if paced else "0"
        started.append(_start(PUBLISH, url, str(number * each), str((number + 1) * each), pause))
    until = begun + PATIENCE
    killed = paced
    while True:
        lines = [_lines(file) for file in files]
        seen = {number for told in lines for number, _ in told}
        if not killed and len(seen) > count // 2:
            workers[0].kill()
            killed = True
        if len(seen) == count:
            break
        assert time.monotonic() < until, f"{count - len(seen)} of {count} are lost"
        time.sleep(min(0.05 * count / 1_000, 2.0))
    seconds = time.monotonic() - begun
    assert all(one.wait(60) == 0 for one in started[WORKERS:])
    taken = sorted(micros for told in lines for _, micros in told)
    handled = Counter(number for told in lines for number, _ in told)
    kind = "paced" if paced else "at full speed"
    return {
        "events": count,
        "events lost": count - len(handled),
        "events handled twice": sum(times > 1 for times in handled.values()),
        f"events a second, {kind}": round(count / seconds),
        f"µs from publish to handler, median, {kind}": round(statistics.median(taken)),
        f"µs from publish to handler, 99th percentile, {kind}": taken[len(taken) * 99 // 100],
        **{f"handled by worker {n}": len(told) for n, told in enumerate(lines)},
    }


def _start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=dict(os.environ))


def _lines(file: Path) -> list[tuple[int, int]]:
    if not file.exists():
        return []
    whole = file.read_bytes().rpartition(b"\n")[0]
    return [json.loads(b"[%s]" % one.replace(b" ", b",")) for one in whole.splitlines()]
