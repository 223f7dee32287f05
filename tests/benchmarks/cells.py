"""Figures as the cells of a table, for terminals and pages alike."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.goals import Verdict
from tests.benchmarks.results import Entry

__all__ = ["number", "ratio_cell", "seen_cell", "spread_cell", "text_table", "time_cell"]

_SIZES = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))


def time_cell(seconds: float) -> str:
    """A time, in the unit that suits it."""
    unit, size = next((one for one in _SIZES if seconds >= one[1]), _SIZES[-1])
    count = seconds / size
    decimals = 2 if count < 10 else 1 if count < 100 else 0
    return f"{count:,.{decimals}f} {unit}"


def number(value: float) -> str:
    """A ratio or a count, with the digits that matter."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    decimals = 2 if value >= 1 else 3 if value >= 0.1 else 4
    return f"{value:.{decimals}f}"


def spread_cell(figure: Figure) -> str:
    """How far the quartiles of the rounds are above the time."""
    low, high = (100 * (value / figure.time - 1) for value in figure.spread)
    return f"{low:+.0f} to {high:+.0f} %"


def ratio_cell(one: Entry | None, other: Entry | None) -> str:
    """How many times as long the one takes as the other."""
    if one is None or other is None or one.figure is None or other.figure is None:
        return "-"
    return number(ratio(one.figure, other.figure).value)


def seen_cell(verdict: Verdict) -> str:
    """What was seen, and its quartiles."""
    if verdict.spread is None:
        return number(verdict.seen)
    low, high = verdict.spread
    return f"{number(verdict.seen)} ({number(low)} to {number(high)})"


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side; the first row is the heading, and empty columns are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*columns, strict=True)]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
