"""Results as a chart: a panel a workload, a bar a contender, times on a logarithmic scale.

The same results give the same bytes. The background is white, so that it can be read on a dark
page too; text stays text, for those who search it or have it read to them.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from tests.benchmarks.cells import time_cell
from tests.benchmarks.results import Entry, Results
from tests.benchmarks.workloads import find

__all__ = ["draw"]

_COLUMNS: Final = 2
_BAR: Final = 0.24  # inches
_FRAME: Final = 0.95  # inches that a panel takes beside its bars
_FOOT: Final = 0.9
_OURS, _BARE, _PEER = "#b3261e", "#6b7280", "#5b84b8"
_PALE: Final = 0.45
_KEY: Final = (
    "Shorter is faster; scales are logarithmic. "
    "Pale: one handler after another, or a handler's failure keeps others from running."
)
_STYLE: Final[Any] = {
    "svg.hashsalt": "busway",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so all machines draw alike
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Results, path: Path) -> None:
    """Write the SVG."""
    panels = {
        name: sorted((one for one in entries if one.figure), key=_time)
        for name, entries in results.entries.items()
        if find(name).compared
    }
    if not panels:
        raise SystemExit("no chart: none of the workloads that were run has different contenders")
    about = results.about
    made = f"{about.date}, {about.python}, {about.loop}, {about.cpu}: {about.command}"
    with mpl.rc_context(_STYLE):
        figure = _drawn(panels, made)
        # without a date of its own: the stated one is that of the figures
        figure.savefig(path, format="svg", metadata={"Date": None, "Title": "Busway's benchmarks"})
    _describe(path, f"Time per operation of each contender. {made}. The tables have the figures.")


def _drawn(panels: dict[str, list[Entry]], made: str) -> Figure:
    names = list(panels)
    rows = [names[start : start + _COLUMNS] for start in range(0, len(names), _COLUMNS)]
    heights = [_FRAME + _BAR * max(len(panels[name]) for name in row) for row in rows]
    total = sum(heights) + _FOOT
    layout = ConstrainedLayoutEngine(rect=(0, _FOOT / total, 1, 1 - _FOOT / total))
    figure = Figure(figsize=(11, total), facecolor="white", layout=layout)
    grid = figure.add_gridspec(len(rows), _COLUMNS, height_ratios=heights)
    for place, name in enumerate(names):
        row = place // _COLUMNS
        axes = figure.add_subplot(grid[row, place % _COLUMNS])
        _draw_panel(axes, find(name).title, panels[name])
        most = max(len(panels[other]) for other in rows[row])
        axes.set_ylim(most - 0.5, -0.5)  # bars of one width
    figure.text(0.01, 0.1 / total, "\n".join([_KEY, *textwrap.wrap(made, 125)]))
    return figure


def _draw_panel(axes: Any, title: str, entries: list[Entry]) -> None:
    times = [_time(one) for one in entries]
    labels = [one.contender for one in entries]
    bars = axes.barh(labels, times, color=[_colour(one) for one in entries])
    axes.bar_label(bars, [time_cell(time) for time in times], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 2, max(times) * 8)  # room for the last label
    axes.set_title(title, loc="left")
    axes.set_xticks([])
    axes.minorticks_off()
    axes.tick_params(left=False)


def _time(one: Entry) -> float:
    assert one.figure is not None
    return one.figure.time


def _colour(one: Entry) -> tuple[str, float]:
    if one.contender.startswith("busway"):
        return _OURS, 1.0
    does = one.character
    less = does is not None and (does.concurrent is False or not does.isolated)
    return (_BARE if one.contender.startswith("bare") else _PEER), (_PALE if less else 1.0)


def _describe(path: Path, description: str) -> None:
    """Say what it shows to those who cannot see it, where SVG has a place for it."""
    text = path.read_text(encoding="utf-8")
    text = text.replace("<svg ", '<svg role="img" ', 1)
    end = text.index("</title>") + len("</title>")
    text = f"{text[:end]}\n <desc>{escape(description)}</desc>{text[end:]}"
    path.write_text(text, encoding="utf-8")
