"""What the bus holds: bytes for a subscription, and resident memory over a million publishes.

Each is measured in a process of its own: `python -m tests.benchmarks.memory bytes|run COUNT LOOP`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tracemalloc
from itertools import cycle
from pathlib import Path
from typing import Final

from tests.benchmarks.given import PAYLOAD, Kind, made
from tests.benchmarks.ours import Subscriber
from tests.benchmarks.timing import loop_factory

from busway import Event, EventBus, EventHandler, EventType

__all__ = ["SAMPLES", "bytes_for_a_subscription", "growth", "resident_during"]

SAMPLES: Final = 10


class _Subscriber(EventHandler):
    """A handler as applications write them: what the bus keeps has a bound method in it."""

    __slots__ = ("event_types",)

    event_types: list[EventType]

    async def handle(self, event: Event) -> None:
        pass


def bytes_for_a_subscription(count: int, types: int) -> float:
    """What subscribing adds, handlers not counted; with the snapshots that publishing needs."""
    wanted = list(EventType)[:types]
    kept = [[type_] for type_ in wanted]
    handlers = []
    for _, event_types in zip(range(count), cycle(kept), strict=False):
        handler = _Subscriber()
        handler.event_types = event_types
        handlers.append(handler)
    bus = EventBus()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for handler in handlers:
        bus.subscribe(handler)
    for type_ in wanted:
        bus.handlers_for(type_)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


def resident_during(publishes: int, loop: str) -> list[int]:
    """Resident bytes at ten points of so many publishes, after a tenth as many to warm up.

    Each is of a new event, to a handler that suspends and one that does not.
    """
    bus = EventBus()
    for handle in (*made(Kind.PLAIN, 1), *made(Kind.SUSPENDING, 1)):
        bus.subscribe(Subscriber(handle, EventType.USER_LOGIN))

    async def publish(count: int) -> None:
        for _ in range(count):
            await bus.publish(Event(EventType.USER_LOGIN, PAYLOAD))

    async def sample() -> list[int]:
        await publish(publishes // SAMPLES)
        samples = []
        for _ in range(SAMPLES):
            await publish(publishes // SAMPLES)
            samples.append(_resident())
        return samples

    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(sample())


def growth(samples: list[int]) -> int:
    """By how many bytes the second half of a run grew."""
    return samples[-1] - samples[SAMPLES // 2 - 1]


def _resident() -> int:
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit  # the most so far


def main() -> None:
    what, count, loop = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if what == "bytes":
        told = {"one type": 1, "all types": len(EventType)}
        found = {name: bytes_for_a_subscription(count, types) for name, types in told.items()}
        print(json.dumps(found))
    else:
        print(json.dumps(resident_during(count, loop)))


if __name__ == "__main__":
    main()
