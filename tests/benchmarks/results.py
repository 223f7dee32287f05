"""What a run found, and its file.

The file is pyperf's own (`python -m pyperf stats FILE` reads it), with one more key, `busway`, for
what pyperf does not know of.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pyperf
from tests.benchmarks.character import Character
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.workloads import find

__all__ = ["About", "Entry", "Imports", "Memory", "Results"]

_KEY: Final = "busway"


@dataclass(frozen=True, slots=True)
class About:
    """When, where and how a run was made."""

    date: str
    python: str
    loop: str
    cpu: str
    system: str
    command: str
    commit: str
    effort: str

    @property
    def version(self) -> str:
        """Of Python, without the last number: what goals are for."""
        return ".".join(self.python.split()[-1].split(".")[:2])

    @property
    def title(self) -> str:
        """What tables of several runs call it."""
        return self.version if self.loop == "asyncio" else f"{self.version}, {self.loop}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender in a workload, with its figure, or the reason why it has none."""

    contender: str
    version: str = ""
    absent: str = ""
    waits: str = ""
    remark: str = ""
    character: Character | None = None
    figure: Figure | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes for a subscription, by what was subscribed; and resident memory at ten points."""

    subscription: dict[str, float]
    publishes: int
    resident: list[int]


@dataclass(frozen=True, slots=True)
class Imports:
    """Seconds that imports took in each round, and the modules that ours brings."""

    times: dict[str, list[float]]
    brought: dict[str, list[str]]


@dataclass(slots=True)
class Results:
    """All that a run found."""

    about: About
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    memory: Memory | None = None
    imports: Imports | None = None
    benchmarks: list[pyperf.Benchmark] = field(default_factory=list)

    def entry(self, workload: str, contender: str) -> Entry | None:
        """A contender of a workload that was run."""
        known = {one.contender: one for one in self.entries.get(workload, [])}
        return known.get(contender)

    def dump(self, path: Path) -> None:
        """Write the file."""
        data: dict[str, Any] = {"version": "1.0", "benchmarks": []}
        if self.benchmarks:
            written = io.StringIO()
            pyperf.BenchmarkSuite(self.benchmarks).dump(written)
            data = json.loads(written.getvalue())
        data[_KEY] = {
            "about": asdict(self.about),
            "entries": {
                workload: [asdict(one) | {"figure": None} for one in entries]
                for workload, entries in self.entries.items()
            },
            "memory": self.memory and asdict(self.memory),
            "imports": self.imports and asdict(self.imports),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read the file."""
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
        found = pyperf.BenchmarkSuite.loads(text).get_benchmarks() if data["benchmarks"] else []
        benches = {bench.get_name(): bench for bench in found}
        ours = data[_KEY]
        return cls(
            About(**ours["about"]),
            {
                workload: [_entry(workload, one, benches) for one in entries]
                for workload, entries in ours["entries"].items()
            },
            ours["memory"] and Memory(**ours["memory"]),
            ours["imports"] and Imports(**ours["imports"]),
            found,
        )


def _entry(workload: str, data: dict[str, Any], benches: dict[str, pyperf.Benchmark]) -> Entry:
    known = find(workload)
    bench = benches.get(known.bench_name(data["contender"]))
    difference = known.contender(data["contender"]).less is not None
    return Entry(
        **data
        | {
            "character": data["character"] and Character(**data["character"]),
            "figure": bench and figure(bench, difference=difference),
        }
    )
