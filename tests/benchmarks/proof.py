"""The proof that a contender runs all handlers, and waits for them, before it is measured."""

from __future__ import annotations

from tests.benchmarks.contenders import Contender
from tests.benchmarks.given import counted
from tests.benchmarks.timing import once
from tests.benchmarks.workloads import Workload

__all__ = ["UnprovenError", "prove"]

_PUBLISHES = 3


class UnprovenError(Exception):
    """A contender did not run what it is to be timed for."""


async def prove(workload: Workload, contender: Contender) -> None:
    """Publish a few times; after each, all handlers have ended as often as the workload says.

    Raises:
        UnprovenError: if one has not.
    """
    counts = [0] * workload.handlers
    async with contender.open(counted(workload.kind, counts)) as publish:
        for done in range(1, _PUBLISHES + 1):
            await once(publish, awaited=contender.awaited)
            wrong = {count for count in counts if count != done * workload.runs}
            if wrong:
                raise UnprovenError(
                    f"{contender.name}, {workload.name}: after {done} publishes the handlers ran "
                    f"{sorted(wrong)} times, not {done * workload.runs}"
                )
    if contender.less is not None:
        await prove(workload, contender.less)
