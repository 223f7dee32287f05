"""From pyperf's values to a time, its spread, and a ratio of two.

On a shared machine what else runs on it only ever adds time, now and then to everything for
seconds, so the least of all values is the least disturbed, and a ratio is that of the two least.
The spread shows what came between: it is of the least values of each round, a process each.
A value that is a difference can be disturbed downwards as well; of those the lower quartile counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pyperf

__all__ = ["Figure", "Ratio", "figure", "ratio"]


@dataclass(frozen=True, slots=True)
class Figure:
    """The time that something takes.

    Attributes:
        time: seconds.
        rounds: seconds, in each round.
    """

    time: float
    rounds: tuple[float, ...]

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the rounds."""
        return _quartiles(self.rounds)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of one time to another, with the quartiles of the ratios in each round."""

    value: float
    low: float
    high: float


def figure(bench: pyperf.Benchmark, *, difference: bool) -> Figure:
    """What the runs of a benchmark come to, those that only calibrated left out."""
    settle = _lower_quartile if difference else min
    runs = [run.values for run in bench.get_runs() if run.values]
    values = [value for run in runs for value in run]
    return Figure(settle(values), tuple(settle(run) for run in runs))


def ratio(one: Figure, other: Figure) -> Ratio:
    """How many times the other's time the one takes."""
    rounds = [mine / theirs for mine, theirs in zip(one.rounds, other.rounds, strict=True)]
    return Ratio(one.time / other.time, *_quartiles(rounds))


def _lower_quartile(values: Sequence[float]) -> float:
    return _quartiles(values)[0]


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
