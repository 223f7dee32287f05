"""The goals, and whether a run has reached them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.importing import BASE, OURS
from tests.benchmarks.memory import growth
from tests.benchmarks.results import Imports, Memory, Results
from tests.benchmarks.workloads import find

__all__ = ["GOALS", "Goal", "Verdict", "judge"]

_FLAT: Final = 1024
"""KiB by which resident memory may grow over the second half of the run and still be flat: an
arena of the allocator's, more or less; half a million publishes that leak 3 bytes each exceed it.
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that is to be reached, on asyncio's own loop.

    Attributes:
        workload: its name.
        one, other: the contenders whose times are compared.
        at_most: the ratio, by version of Python; on others it is only reported.
    """

    workload: str
    one: str
    other: str
    at_most: Mapping[str, float]


GOALS: Final = (
    Goal("plain-100", "busway", "bare await", {"3.13": 1.25}),
    Goal("plain-10", "busway", "blinker send_async", {"3.13": 0.45}),
    Goal("plain-100", "busway", "blinker send_async", {"3.13": 0.30}),
    Goal("plain-1", "busway", "bare gather", {"3.13": 0.18, "3.11": 0.28}),
    Goal("plain-100", "busway", "bare gather", {"3.11": 0.08}),
    Goal("suspending-100", "busway", "bare gather", {"3.13": 0.68, "3.12": 0.78, "3.11": 1.1}),
    Goal("unhandled", "busway", "blinker send_async", {"3.13": 1.5}),
    Goal("middleware", "busway", "bare loop", {"3.13": 3}),
    Goal("many", "busway publish_many", "bare gather of all", {"3.13": 0.22}),
    Goal("crowd", "busway among 100,000", "busway alone", {"3.13": 1.05}),
    Goal("subscribe", "beside 100,000", "beside 1,000", {"3.13": 2}),
    Goal("subscribe-same", "beside 100,000", "beside 1,000", {"3.13": 2}),
    Goal("creating", "busway", "abxbus", {"3.13": 0.01}),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, and what was seen.

    Attributes:
        what, against: what was compared with what.
        at_most: the goal; None where there is none for this interpreter and loop.
        seen: what a run found.
        spread: the quartiles of the rounds, if there were any.
    """

    what: str
    against: str
    at_most: float | None
    seen: float
    spread: tuple[float, float] | None = None

    @property
    def word(self) -> str:
        """For a table: "met", "missed", or "reported"."""
        if self.at_most is None:
            return "reported"
        return "met" if self.seen <= self.at_most else "missed"


def judge(results: Results) -> list[Verdict]:
    """All goals of which a run has seen something."""
    verdicts = [verdict for goal in GOALS for verdict in _judge_ratio(goal, results)]
    if results.memory is not None:
        verdicts += _judge_memory(results.memory)
    if results.imports is not None:
        verdicts += _judge_imports(results.imports)
    return verdicts


def _judge_ratio(goal: Goal, results: Results) -> Iterator[Verdict]:
    one = results.entry(goal.workload, goal.one)
    other = results.entry(goal.workload, goal.other)
    if one and one.figure and other and other.figure:
        seen = ratio(one.figure, other.figure)
        about = results.about
        at_most = goal.at_most.get(about.version) if about.loop == "asyncio" else None
        title = find(goal.workload).title
        yield Verdict(title, goal.other, at_most, seen.value, (seen.low, seen.high))


def _judge_memory(memory: Memory) -> Iterator[Verdict]:
    yield Verdict("bytes for a subscription", "", 400, max(memory.subscription.values()))
    grown = f"KiB that {memory.publishes // 2:,} publishes leave behind"
    yield Verdict(grown, "", _FLAT, growth(memory.resident) / 1024)


def _of_imports(times: list[float]) -> Figure:
    return Figure(min(times), tuple(times))


def _judge_imports(imports: Imports) -> Iterator[Verdict]:
    ours, base = (_of_imports(imports.times[name]) for name in (OURS, BASE))
    seen = ratio(ours, base)
    spread = (seen.low, seen.high)
    yield Verdict(f"import {OURS}", f"import {BASE}", 1.3, seen.value, spread)
    others = len(imports.brought["others"])
    yield Verdict("modules of others that it imports", "", 0, others)
