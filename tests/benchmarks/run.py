"""A run: each contender of a workload proven, characterized, measured; then memory and imports."""

from __future__ import annotations

import asyncio
import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

import pyperf
from tests.benchmarks.character import Character, characterize
from tests.benchmarks.contenders import Contender, absence, version
from tests.benchmarks.figures import figure
from tests.benchmarks.given import Kind
from tests.benchmarks.importing import brought, import_times
from tests.benchmarks.proof import prove
from tests.benchmarks.results import About, Entry, Imports, Memory, Results
from tests.benchmarks.rounds import ROOT, Effort, environment, measure
from tests.benchmarks.timing import loop_factory
from tests.benchmarks.workloads import Workload

__all__ = ["FAST", "FULL", "Extent", "Run"]

_SUBSCRIPTIONS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a run goes.

    Attributes:
        effort: what is spent on each figure.
        publishes: how many are made while resident memory is watched.
        imports: how often imports are timed.
    """

    effort: Effort
    publishes: int
    imports: int


FULL: Final = Extent(Effort(rounds=10, values=12), publishes=1_000_000, imports=20)
FAST: Final = Extent(Effort(rounds=3, values=4, share=0.3), publishes=100_000, imports=5)


class Run:
    """One run, on one loop; what it finds is gathered in `results`."""

    def __init__(
        self, loop: str, extent: Extent, arguments: Sequence[str], tell: Callable[[str], None]
    ) -> None:
        self.loop = loop
        self.extent = extent
        self.tell = tell
        self.results = Results(_about(loop, extent, arguments))

    def workload(self, workload: Workload) -> None:
        """Measure all its contenders that can take part on this interpreter."""
        reasons = {one.name: absence(one) for one in workload.contenders}
        there = [one for one in workload.contenders if not reasons[one.name]]
        known = {one.name: self._look_at(workload, one) for one in there}
        benches = measure(workload, there, self.loop, self.extent.effort, self.tell)
        found = dict(zip((one.name for one in there), benches, strict=True))
        self.results.benchmarks += benches
        self.results.entries[workload.name] = [
            _entry(one, known[one.name], found[one.name])
            if one.name in found
            else Entry(one.name, absent=reasons[one.name])
            for one in workload.contenders
        ]

    def memory(self) -> None:
        """Measure what a subscription and a long run take."""
        self.tell("memory")
        publishes = self.extent.publishes
        self.results.memory = Memory(
            subscription=_ask_memory("bytes", _SUBSCRIPTIONS, self.loop),
            publishes=publishes,
            resident=_ask_memory("run", publishes, self.loop),
        )

    def imports(self) -> None:
        """Measure what importing takes and brings."""
        self.tell("imports")
        self.results.imports = Imports(import_times(self.extent.imports), brought())

    def _look_at(self, workload: Workload, contender: Contender) -> Character | None:
        self.tell(f"{workload.name}: proving {contender.name}")
        with asyncio.Runner(loop_factory=loop_factory(self.loop)) as runner:
            runner.run(prove(workload, contender))
        if not workload.compared:
            return None
        sync = workload.kind is Kind.SYNC or not contender.awaited
        return _character(contender, sync=sync, loop=self.loop)


@cache
def _character(contender: Contender, *, sync: bool, loop: str) -> Character:
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(characterize(contender, sync=sync))


def _entry(contender: Contender, character: Character | None, bench: pyperf.Benchmark) -> Entry:
    return Entry(
        contender.name,
        version=version(contender),
        waits=contender.waits,
        remark=contender.remark,
        character=character,
        figure=figure(bench, difference=contender.less is not None),
    )


def _ask_memory(what: str, count: int, loop: str) -> Any:
    command = [sys.executable, "-m", "tests.benchmarks.memory", what, str(count), loop]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def _about(loop: str, extent: Extent, arguments: Sequence[str]) -> About:
    effort = extent.effort
    return About(
        date=datetime.now().astimezone().date().isoformat(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        loop=loop,
        cpu=_cpu(),
        system=f"{platform.system()} {platform.machine()}",
        command=shlex.join(["python", "-m", "tests.benchmarks", *arguments]),
        commit=_commit(),
        effort=f"{effort.rounds} processes a contender, {effort.values} values each",
    )


def _cpu() -> str:
    run = pyperf.Run([1.0], metadata={"name": "cpu"})  # collects what pyperf knows of the machine
    metadata = run.get_metadata()
    return f"{metadata.get('cpu_model_name', 'unknown processor')}, {metadata['cpu_count']} CPUs"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
