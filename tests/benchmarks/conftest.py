"""A recorded run, so small that what is made of it can be foretold."""

from __future__ import annotations

from collections.abc import Callable

import pyperf
import pytest
from tests.benchmarks.character import Character
from tests.benchmarks.figures import figure
from tests.benchmarks.importing import BASE, OURS
from tests.benchmarks.results import About, Entry, Imports, Memory, Results
from tests.benchmarks.workloads import find

__all__ = ["Record", "bench"]

Record = Callable[..., Results]


def bench(name: str, *runs: tuple[float, ...]) -> pyperf.Benchmark:
    """What pyperf writes for runs of these values, after one that calibrated."""
    metadata = {"name": name, "loops": 8, "calibrate_loops": 8}
    made = [pyperf.Run([], warmups=[(8, 9.0)], metadata=metadata, collect_metadata=False)]
    metadata = {"name": name, "loops": 8}
    made += [pyperf.Run(run, metadata=metadata, collect_metadata=False) for run in runs]
    return pyperf.Benchmark(made)


@pytest.fixture
def recorded() -> Record:
    """Results with `plain-1`, memory and imports; Busway takes 2 µs, gather the time given."""

    def record(python: str = "3.13.0", loop: str = "asyncio", gather: float = 16e-6) -> Results:
        workload = find("plain-1")
        results = Results(
            About(
                date="2026-11-23",
                python=f"CPython {python}",
                loop=loop,
                cpu="a processor",
                system="Linux x86_64",
                command="python -m tests.benchmarks",
                commit="abc1234",
                effort="2 processes a contender, 2 values each",
            ),
            memory=Memory({"one type": 300.0}, 1_000_000, [0] * 9 + [2**10]),
            imports=Imports(
                {BASE: [0.1, 0.2], OURS: [0.12, 0.24]}, {"standard": ["copy"], "others": []}
            ),
        )
        isolated = Character(concurrent=True, isolated=True, failures="returned")
        unisolated = Character(concurrent=True, isolated=False, failures="raised")
        for name, time, character in (
            ("busway", 2e-6, isolated),
            ("bare gather", gather, unisolated),
        ):
            found = bench(workload.bench_name(name), (time, 2 * time), (1.5 * time, time))
            results.benchmarks.append(found)
            results.entries.setdefault("plain-1", []).append(
                Entry(
                    name,
                    waits="publish",
                    remark=f"remark on {name}",
                    character=character,
                    figure=figure(found, difference=False),
                )
            )
        results.entries["plain-1"].append(Entry("pyee", absent="not installed"))
        return results

    return record
