"""Open a contender, and tell how long it takes for so many publishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import inf
from time import perf_counter
from typing import TypeAlias

from tests.benchmarks.contenders import Contender, Publish
from tests.benchmarks.given import made
from tests.benchmarks.workloads import Workload

__all__ = ["LOOPS", "Elapsed", "loop_factory", "once", "stopwatch"]

LOOPS = ("asyncio", "uvloop")
Elapsed: TypeAlias = Callable[[int], float]
_Spend: TypeAlias = Callable[[int], Coroutine[None, None, float]]
_TURN = 50
_LEAST = 1e-9  # seconds; a difference may come out negative, and pyperf takes none that is


def loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes a loop of this name; None makes asyncio's own."""
    if loop == "asyncio":
        return None
    import uvloop  # among the benchmark's requirements, not the project's

    return uvloop.new_event_loop


async def once(publish: Publish, *, awaited: bool) -> object:
    """One publish, and what it returns."""
    return await publish() if awaited else publish()


@contextmanager
def stopwatch(workload: Workload, contender: Contender, loop: str) -> Iterator[Elapsed]:
    """Open a contender on a loop of its own; ask for the seconds that so many publishes take."""
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        opened = _opened(workload, contender)
        spend = runner.run(opened.__aenter__())
        try:
            yield lambda loops: runner.run(spend(loops))
        finally:
            runner.run(opened.__aexit__(None, None, None))


@asynccontextmanager
async def _opened(workload: Workload, contender: Contender) -> AsyncIterator[_Spend]:
    handlers = made(workload.kind, workload.handlers)
    async with contender.open(handlers) as publish:
        if contender.less is None:
            yield lambda loops: _spend(publish, loops, contender.awaited)
            return
        async with contender.less.open(handlers) as less:
            yield lambda loops: _spend_more(publish, less, loops)


async def _spend(publish: Publish, loops: int, awaited: bool) -> float:
    started = perf_counter()
    if awaited:
        for _ in range(loops):
            await publish()
    else:
        for _ in range(loops):
            publish()
    return perf_counter() - started


async def _spend_more(publish: Publish, less: Publish, loops: int) -> float:
    """How much longer so many of one take than of the other.

    Both take turns, a few at a time, so that the same happens to both; the least of each side's
    turns, which is the least disturbed, stands for all.
    """
    spent, spent_less = inf, inf
    for _ in range(0, loops, _TURN):
        spent = min(spent, await _spend(publish, _TURN, awaited=True))
        spent_less = min(spent_less, await _spend(less, _TURN, awaited=True))
    return max((spent - spent_less) * loops / _TURN, _LEAST)
