"""Rounds: in each, every contender of a workload is measured once, in a process of its own.

`pyperf.Runner` as a manager finishes all processes of one benchmark before it begins the next:
when the machine is slower in the meantime, and a shared one is, that goes into every ratio. So
its manager is left out. The workers are pyperf's, one calibrates the loops of each contender, and
their runs are merged by pyperf; but they are started in rounds, back and forth, so that a ratio is
taken of two processes that ran within seconds of each other, and none always has the same
neighbour.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyperf
from tests.benchmarks.contenders import Contender
from tests.benchmarks.workloads import Workload

__all__ = ["ROOT", "Effort", "environment", "measure"]

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent on each figure.

    Attributes:
        rounds: processes a contender.
        values: values a process, after one that does not count.
        share: of the least time that a workload wants for a value.
    """

    rounds: int = 10
    values: int = 12
    share: float = 1.0


def measure(
    workload: Workload,
    contenders: Sequence[Contender],
    loop: str,
    effort: Effort,
    tell: Callable[[str], None],
) -> list[pyperf.Benchmark]:
    """One benchmark for each contender, with a run for each round."""
    least = f"--min-time={workload.min_time * effort.share}"
    found: list[pyperf.Benchmark] = []
    for contender in contenders:
        tell(f"{workload.name}: calibrating {contender.name}")
        found.append(_work(workload, contender, loop, "--calibrate-loops", least))
    turns = list(zip(found, contenders, strict=True))
    loops = [bench.get_runs()[0].get_loops() for bench in found]
    for count in range(effort.rounds):
        order = range(len(turns)) if count % 2 == 0 else reversed(range(len(turns)))
        for place in order:
            bench, contender = turns[place]
            tell(f"{workload.name}: round {count + 1} of {effort.rounds}: {contender.name}")
            options = (f"--loops={loops[place]}", f"--values={effort.values}", "--warmups=1")
            bench.add_runs(_work(workload, contender, loop, *options))
    return found


def _work(workload: Workload, contender: Contender, loop: str, *options: str) -> pyperf.Benchmark:
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, "run.json")
        command = [sys.executable, "-m", "tests.benchmarks.worker", "--worker", "--quiet"]
        command += [*options, "--output", str(output), workload.name, contender.name, loop]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{contender.name}, {workload.name}:\n{done.stdout}{done.stderr}")
        return pyperf.Benchmark.load(str(output))


def environment() -> dict[str, str]:
    """That of the workers: ours, without what would put Python or a bus into another mode."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "BUSWAY"))
    }
