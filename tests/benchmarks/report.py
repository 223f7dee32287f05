"""Results as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.benchmarks.cells import (
    ratio_cell,
    seen_cell,
    spread_cell,
    text_table,
    time_cell,
)
from tests.benchmarks.goals import Verdict, judge
from tests.benchmarks.results import About, Entry, Results
from tests.benchmarks.workloads import Workload, find

__all__ = ["text"]


def text(results: Results) -> str:
    """All that was found."""
    parts = [_heading(results.about)]
    parts += [_workload(find(name), entries) for name, entries in results.entries.items()]
    verdicts = judge(results)
    if verdicts:
        parts.append(f"goals\n{text_table(list(_goal_rows(verdicts)))}")
    if results.imports is not None:
        standard = ", ".join(results.imports.brought["standard"])
        parts.append(f"import busway brings of the standard library: {standard}")
    return "\n\n".join(parts)


def _heading(about: About) -> str:
    return (
        f"{about.date}, {about.python}, {about.loop}, {about.cpu}, {about.commit}\n"
        f"{about.command}\n"
        f"{about.effort}: their least time, and how far above it the quartiles of the processes are"
    )


def _workload(workload: Workload, entries: Sequence[Entry]) -> str:
    first = entries[0]
    rows = [("", workload.unit, "spread", f"{first.contender} / it", "lacks")]
    rows += [
        (
            one.contender,
            time_cell(one.figure.time),
            spread_cell(one.figure),
            ratio_cell(first, one),
            one.character.lacks if one.character else "",
        )
        for one in entries
        if one.figure is not None
    ]
    notes = [f"{one.contender}: {one.remark}" for one in entries if one.remark]
    absent = [f"{one.contender} ({one.absent})" for one in entries if one.absent]
    if absent:
        notes.append(f"not on this interpreter: {', '.join(absent)}")
    return "\n".join([f"{workload.name}: {workload.title}", text_table(rows), *notes])


def _goal_rows(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, ...]]:
    yield "", "against", "at most", "seen (quartiles of the rounds)", " "
    for one in verdicts:
        goal = "" if one.at_most is None else f"{one.at_most:g}"
        yield one.what, one.against, goal, seen_cell(one), one.word
