"""What a run found: in its file, on a terminal, and on the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyperf
import pytest
from tests.benchmarks.__main__ import main
from tests.benchmarks.conftest import Record
from tests.benchmarks.page import BEGIN, END, PAGE, figures, insert
from tests.benchmarks.report import text
from tests.benchmarks.results import Results
from tests.benchmarks.workloads import WORKLOADS, Workload

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def test_results_come_back_from_their_file(recorded: Record, tmp_path: Path) -> None:
    """All that the tables and the chart are made of."""
    path = tmp_path / "deep" / "run.json"
    written = recorded()
    written.dump(path)
    read = Results.load(path)
    assert read.about == written.about
    assert read.entries == written.entries
    assert (read.memory, read.imports) == (written.memory, written.imports)
    assert text(read) == text(written)


def test_pyperf_reads_the_file(recorded: Record, tmp_path: Path) -> None:
    """Its own commands work on it."""
    path = tmp_path / "run.json"
    recorded().dump(path)
    suite = pyperf.BenchmarkSuite.load(str(path))
    assert suite.get_benchmark_names() == ["plain-1: busway", "plain-1: bare gather"]
    assert suite.get_benchmark("plain-1: busway").get_values() == (2e-6, 4e-6, 3e-6, 2e-6)


def test_the_text_has_all_that_was_found(recorded: Record) -> None:
    """A table a workload with its notes, the goals, and what an import brings."""
    lines = text(recorded()).splitlines()
    assert lines[0] == "2026-11-23, CPython 3.13.0, asyncio, a processor, abc1234"
    assert lines[1] == "python -m tests.benchmarks"
    table = lines.index("plain-1: 1 handler that does not suspend")
    assert [re.split(r" {2,}", line) for line in lines[table + 3 : table + 5]] == [
        ["busway", "2.00 µs", "+0 to +0 %", "1"],
        ["bare gather", "16.0 µs", "+0 to +0 %", "0.125", "not isolated, raises the first failure"],
    ]
    assert "bare gather: remark on bare gather" in lines
    assert "not on this interpreter: pyee (not installed)" in lines
    assert "import busway brings of the standard library: copy" in lines
    goal = next(line for line in lines if line.startswith("1 handler that does not suspend"))
    assert re.split(r" {2,}", goal)[1:] == ["bare gather", "0.18", "0.125 (0.125 to 0.125)", "met"]


def test_a_run_of_nothing_is_told(recorded: Record) -> None:
    """Only what it was."""
    results = recorded()
    results.entries.clear()
    results.memory = results.imports = None
    assert len(text(results).splitlines()) == 3


def test_the_page_has_the_ratios_of_several_runs(recorded: Record) -> None:
    """Of the first all else too; a goal of an interpreter's own is told as such."""
    told = figures([recorded(), recorded("3.11.7", gather=4e-6), recorded(loop="uvloop")])
    assert (
        "| 1 handler that does not suspend | bare gather | 0.18 on 3.13, 0.28 on 3.11 "
        "| 0.125 ✓ | **0.500** missed | 0.125 |"
    ) in told
    assert (
        "| bare gather | 16.0 µs | +0 to +0 % | 0.125 | 0.500 | 0.125 "
        "| not isolated, raises the first failure |"
    ) in told
    assert "| bytes for a subscription |  | 400 | 300 ✓ | 300 ✓ | 300 ✓ |" in told
    assert "Not on 3.13, uvloop: pyee (not installed)." in told
    assert "| busway |  | yes | yes | returned | publish | remark on busway |" in told


def test_figures_are_put_between_the_marks_of_the_page() -> None:
    """In the place of what was there; all around them stays."""
    page = f"# Title\n\n{BEGIN}\n\nold\n\n{END}\n\n## What was tried\n"
    once = insert(page, "new")
    assert once == page.replace("old", "new")
    assert insert(once, "new") == once


def test_the_page_has_its_marks_and_every_workload() -> None:
    """By name and title, as the command line and the tables have them."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    listed = re.findall(r"^\| `([\w-]+)` \| (.+?) \|", page.partition(BEGIN)[0], re.MULTILINE)
    assert listed[: len(WORKLOADS)] == [(one.name, one.title) for one in WORKLOADS]


@pytest.mark.parametrize(
    "line", [line for line in REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"]
)
def test_a_requirement_is_pinned(line: str) -> None:
    """Exactly; what wants a newer Python says so."""
    assert re.fullmatch(r'[\w-]+==[\d.]+(; python_version >= "3\.\d+")?', line)


def test_every_peer_is_required() -> None:
    """Under the name that its contenders look for."""
    required = set(re.findall(r"^([\w-]+)==", REQUIREMENTS.read_text(), re.MULTILINE))
    needed = {one.needs for workload in WORKLOADS for one in workload.contenders if one.needs}
    assert needed | {"matplotlib", "pyperf", "uvloop"} == required


def test_the_command_measures_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One workload, in workers of pyperf, from anywhere; every value is kept."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.json"
    assert main(["--fast", "--json", str(path), "middleware"]) == 0
    assert "middleware: three middleware, added cost" in capsys.readouterr().out
    results = Results.load(path)
    assert list(results.entries) == ["middleware"]
    assert [one.contender for one in results.entries["middleware"]] == ["busway", "bare loop"]
    runs = json.loads(path.read_text())["benchmarks"][0]["runs"]
    assert [len(run.get("values", [])) for run in runs] == [0, 4, 4, 4]
    assert results.about.command == f"python -m tests.benchmarks --fast --json {path} middleware"


def test_a_missed_goal_is_only_an_error_if_asked(
    recorded: Record, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `--check`: else the figures are a report."""
    missed = recorded(gather=2e-6)
    monkeypatch.setattr("tests.benchmarks.__main__.Run", lambda *_: _Ran(missed))
    assert main(["imports"]) == 0
    assert main(["--check", "imports"]) == 1
    met = recorded()
    monkeypatch.setattr("tests.benchmarks.__main__.Run", lambda *_: _Ran(met))
    assert main(["--check", "imports"]) == 0


def test_without_a_name_all_is_run(
    recorded: Record, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every workload, memory and imports, in their order."""
    ran = _Ran(recorded())
    monkeypatch.setattr("tests.benchmarks.__main__.Run", lambda *_: ran)
    assert main([]) == 0
    assert ran.names == [*(one.name for one in WORKLOADS), "memory", "imports"]


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured; the names are told."""
    with pytest.raises(SystemExit, match="2"):
        main(["plain-7"])
    assert "no such workload: plain-7; there are plain-1, " in capsys.readouterr().err


class _Ran:
    """A run that has been made."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.names: list[str] = []

    def workload(self, workload: Workload) -> None:
        self.names.append(workload.name)

    def memory(self) -> None:
        self.names.append("memory")

    def imports(self) -> None:
        self.names.append("imports")
