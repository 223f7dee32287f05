"""Runs tests on mutants: `python -m tests.mutants.server OUT MODULE TESTS...`, keys by stdin.

The tests are collected once. Then, for each mutant, a fork of this process puts the changed code
into the module and runs the tests until one fails, those first that killed the mutants before. So
a mutant costs what the tests cost that it lives through, and no start of an interpreter.

Before and afterwards, a fork in which nothing is changed must pass: at first all tests, at last
those that killed, in the order in which they came to stand.

A line of JSON is appended to OUT for each mutant: its key, the test that killed it, and how; the
latter two are null if none did.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.mutants.fork import first_to_fail
from tests.mutants.patch import apply, can_be_imported, source_of
from tests.mutants.source import Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEFT_OUT: Final = (
    "test_discovery_cost",  # it measures time,
    "test_hundred_thousand_handlers",
    "test_subscribing_is_linear",
    "test_exports",  # or starts processes, which do not see the change,
    "test_many_threads",  # or finds by chance what it finds
)
_LATE: Final = ("machine", "properties", "threads", "leftovers", "memory", "test_running")
"""Words in the names of tests that take long."""


class Server:
    """A plugin of pytest that runs the collected tests on each of some mutants."""

    def __init__(self, out: Path, module: str, chosen: Sequence[Mutant]) -> None:
        self._out = out
        self._why = out.with_suffix(".why")
        self._module = importlib.import_module(f"busway.{module}")
        self._chosen = chosen
        self._killers: list[pytest.Item] = []
        self._passed = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        """Hypothesis tries each example anew, always the same, and makes none smaller."""
        from hypothesis import Phase, settings  # not before pytest, which rewrites its asserts

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", database=None, derandomize=True, phases=phases)
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In a fork: hear how a test does."""
        if report.failed:
            self._passed = False
            self._why.write_text(f"{report.nodeid}\n{report.longreprtext}", encoding="utf-8")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running each test once."""
        tests = [one for one in session.items if not any(word in one.nodeid for word in _LEFT_OUT)]
        tests.sort(key=_rank)
        gc.freeze()  # no fork looks for garbage in what all have in common
        self._check_unchanged(tests)
        for mutant in self._chosen:
            if mutant.whole and not can_be_imported(self._module, mutant.code):
                self._tell(mutant, "the import", "failed")
            else:
                self._try(mutant, tests)
        self._check_unchanged(self._killers)
        return True

    def _try(self, mutant: Mutant, tests: list[pytest.Item]) -> None:
        change = partial(apply, self._module, mutant.code, whole=mutant.whole)
        found = first_to_fail(change, [*self._killers, *tests], self._run)
        if found is None:
            self._tell(mutant, None, None)
            return
        killer, how = found
        self._tell(mutant, killer.nodeid, how)
        if how == "failed":  # rather than wait for it to hang again
            self._killers = [killer, *(one for one in self._killers if one is not killer)]

    def _check_unchanged(self, tests: list[pytest.Item]) -> None:
        change = partial(apply, self._module, source_of(self._module), whole=True)
        found = first_to_fail(change, tests, self._run)
        if found is not None:
            why = self._why.read_text(encoding="utf-8") if found[1] == "failed" else ""
            pytest.exit(f"without a change {found[0].nodeid} {found[1]}\n{why}", returncode=1)

    def _run(self, test: pytest.Item, following: pytest.Item | None) -> bool:
        test.ihook.pytest_runtest_protocol(item=test, nextitem=following)
        return self._passed

    def _tell(self, mutant: Mutant, killer: str | None, how: str | None) -> None:
        with self._out.open("a", encoding="utf-8") as out:
            out.write(json.dumps([mutant.key, killer, how]) + "\n")


def _rank(test: pytest.Item) -> tuple[bool, bool]:
    return any(word in test.nodeid for word in _LATE), "/bus/" not in test.nodeid


def main(out: str, module: str, *tests: str) -> int:
    keys = set(json.load(sys.stdin))
    chosen = [one for one in mutants(module) if one.key in keys]
    told = [*tests, "-q", "-p", "no:cacheprovider", "--no-header"]
    return int(pytest.main(told, plugins=[Server(Path(out), module, chosen)]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
