"""The figures on the page in the docs: `python -m tests.benchmarks.page RESULT.json ...`.

The tables between the page's two marks, and its chart, are those of the first result; beside it
stand the ratios of the others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.cells import number, ratio_cell, spread_cell, time_cell
from tests.benchmarks.goals import Verdict, judge
from tests.benchmarks.results import Entry, Results
from tests.benchmarks.rounds import ROOT
from tests.benchmarks.workloads import find

__all__ = ["BEGIN", "CHART", "END", "PAGE", "figures", "insert"]

PAGE: Final = ROOT / "docs" / "benchmarks.md"
CHART: Final = ROOT / "docs" / "benchmarks" / "chart.svg"
BEGIN: Final = "<!-- figures: written by tests.benchmarks.page -->"
END: Final = "<!-- end of figures -->"


def insert(page: str, tables: str) -> str:
    """The page with these tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def figures(runs: Sequence[Results]) -> str:
    """All tables."""
    parts = [
        _runs(runs),
        "### Goals\n\n" + _table(list(_goal_rows(runs))),
        *(_workload(name, runs) for name in runs[0].entries),
        "### What the contenders do\n\n" + _table(list(_character_rows(runs[0]))),
    ]
    absent = [_absent(run) for run in runs]
    parts += filter(None, absent)
    if runs[0].imports is not None:
        standard = ", ".join(f"`{name}`" for name in runs[0].imports.brought["standard"])
        parts.append(f"Of the standard library `import busway` brings {standard}.")
    return "\n\n".join(parts)


def _table(rows: Sequence[Sequence[str]]) -> str:
    heading, *rest = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([heading, "|---" * len(rows[0]) + "|", *rest])


def _runs(runs: Sequence[Results]) -> str:
    rows = [("run", "date", "interpreter", "loop", "commit", "processor", "effort", "command")]
    for run in runs:
        one = run.about
        told = (one.date, one.python, one.loop, one.commit, one.cpu, one.effort)
        rows.append((one.title, *told, f"`{one.command}`"))
    return _table(rows)


def _goal_rows(runs: Sequence[Results]) -> Iterator[tuple[str, ...]]:
    yield "", "against", "at most", *(run.about.title for run in runs)
    judged = [{(one.what, one.against): one for one in judge(run)} for run in runs]
    for key in dict.fromkeys(key for verdicts in judged for key in verdicts):
        verdicts = [one.get(key) for one in judged]
        yield *key, _limits(verdicts, runs), *(_verdict(one) for one in verdicts)


def _limits(verdicts: Sequence[Verdict | None], runs: Sequence[Results]) -> str:
    """The goal; where interpreters have goals of their own, each by name."""
    limits = {
        run.about.title: f"{one.at_most:g}"
        for run, one in zip(runs, verdicts, strict=True)
        if one is not None and one.at_most is not None
    }
    if len(set(limits.values())) == 1 and runs[0].about.title in limits:
        return next(iter(limits.values()))
    return ", ".join(f"{limit} on {title}" for title, limit in limits.items())


def _verdict(one: Verdict | None) -> str:
    if one is None:
        return "-"
    seen = number(one.seen)
    return {"met": f"{seen} ✓", "missed": f"**{seen}** missed"}.get(one.word, seen)


def _workload(name: str, runs: Sequence[Results]) -> str:
    workload, main = find(name), runs[0].entries[name]
    first = main[0].contender
    ratios = [f"{first} / it, {run.about.title}" for run in runs]
    rows = [("", f"{workload.unit}, {runs[0].about.title}", "spread", *ratios, "lacks")]
    for one in main:
        if one.figure is not None:
            beside = (
                ratio_cell(run.entry(name, first), run.entry(name, one.contender)) for run in runs
            )
            lacks = one.character.lacks if one.character else ""
            time = time_cell(one.figure.time)
            rows.append((one.contender, time, spread_cell(one.figure), *beside, lacks))
    return f"### {workload.title}\n\n{_table(rows)}"


def _character_rows(run: Results) -> Iterator[tuple[str, ...]]:
    yield "", "version", "concurrent", "isolated", "failures", "waited for by", "remark"
    known: dict[str, Entry] = {}
    for one in (one for entries in run.entries.values() for one in entries):
        if one.character is not None:
            known.setdefault(one.contender, one)
    for one in known.values():
        assert one.character is not None
        concurrent = {True: "yes", False: "no", None: "sync"}[one.character.concurrent]
        isolated = "yes" if one.character.isolated else "no"
        failures = one.character.failures
        yield one.contender, one.version, concurrent, isolated, failures, one.waits, one.remark


def _absent(run: Results) -> str:
    """Who could not take part."""
    reasons = {
        one.contender: one.absent
        for entries in run.entries.values()
        for one in entries
        if one.absent
    }
    told = ", ".join(f"{contender} ({reason})" for contender, reason in reasons.items())
    return f"Not on {run.about.title}: {told}." if told else ""


def main() -> None:
    from tests.benchmarks.chart import draw  # it needs matplotlib, and the tables do not

    runs = [Results.load(Path(path)) for path in sys.argv[1:]]
    PAGE.write_text(insert(PAGE.read_text(encoding="utf-8"), figures(runs)), encoding="utf-8")
    CHART.parent.mkdir(exist_ok=True)
    draw(runs[0], CHART)


if __name__ == "__main__":
    main()
