"""The goals are those of the project, and a run is judged by those for its interpreter."""

from __future__ import annotations

import pytest
from tests.benchmarks.conftest import Record
from tests.benchmarks.goals import GOALS, Goal, judge
from tests.benchmarks.workloads import WORKLOADS, find

SET = {
    ("plain-100", "bare await", "3.13", 1.25),
    ("plain-10", "blinker send_async", "3.13", 0.45),
    ("plain-100", "blinker send_async", "3.13", 0.30),
    ("plain-1", "bare gather", "3.13", 0.18),
    ("suspending-100", "bare gather", "3.13", 0.68),
    ("suspending-100", "bare gather", "3.12", 0.78),
    ("unhandled", "blinker send_async", "3.13", 1.5),
    ("middleware", "bare loop", "3.13", 3),
    ("many", "bare gather of all", "3.13", 0.22),
    ("crowd", "busway alone", "3.13", 1.05),
    ("subscribe", "beside 1,000", "3.13", 2),
    ("subscribe-same", "beside 1,000", "3.13", 2),
    ("creating", "abxbus", "3.13", 0.01),
    ("plain-1", "bare gather", "3.11", 0.28),
    ("plain-100", "bare gather", "3.11", 0.08),
    ("suspending-100", "bare gather", "3.11", 1.1),
}


def test_the_goals_are_those_that_were_set() -> None:
    """Whoever changes one changes it here too, and knows it."""
    told = {
        (goal.workload, goal.other, version, at_most)
        for goal in GOALS
        for version, at_most in goal.at_most.items()
    }
    assert told == SET


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.workload}: {goal.other}")
def test_a_goal_is_about_contenders_of_its_workload(goal: Goal) -> None:
    """The one is Busway: what the tables' ratios are of."""
    names = [one.name for one in find(goal.workload).contenders]
    assert goal.one == names[0]
    assert goal.other in names


def test_names_tell_workloads_and_their_contenders_apart() -> None:
    """On the command line, in the file, and in the tables."""
    assert len({one.name for one in WORKLOADS}) == len({one.title for one in WORKLOADS})
    for workload in WORKLOADS:
        assert len({one.name for one in workload.contenders}) == len(workload.contenders)


@pytest.mark.parametrize(
    ("python", "loop", "gather", "at_most", "word"),
    [
        ("3.13.0", "asyncio", 16e-6, 0.18, "met"),
        ("3.13.0", "asyncio", 8e-6, 0.18, "missed"),
        ("3.11.7", "asyncio", 8e-6, 0.28, "met"),
        ("3.12.1", "asyncio", 8e-6, None, "reported"),
        ("3.13.0", "uvloop", 8e-6, None, "reported"),
    ],
)
def test_a_ratio_is_judged(
    recorded: Record, python: str, loop: str, gather: float, at_most: float | None, word: str
) -> None:
    """By the goal for the interpreter, on asyncio's loop; elsewhere it is only reported."""
    verdict, *_ = judge(recorded(python, loop, gather))
    assert (verdict.against, verdict.at_most, verdict.word) == ("bare gather", at_most, word)
    assert verdict.seen == pytest.approx(2e-6 / gather)


def test_memory_and_imports_are_judged(recorded: Record) -> None:
    """On every interpreter alike."""
    verdicts = judge(recorded("3.12.1"))[1:]
    assert [(one.what, one.at_most, one.seen, one.word) for one in verdicts] == [
        ("bytes for a subscription", 400, 300.0, "met"),
        ("KiB that 500,000 publishes leave behind", 1024, 1.0, "met"),
        ("import busway", 1.3, pytest.approx(1.2), "met"),
        ("modules of others that it imports", 0, 0, "met"),
    ]


def test_what_was_not_run_is_not_judged(recorded: Record) -> None:
    """A run of some workloads has nothing to say of the others."""
    results = recorded()
    results.entries.clear()
    results.memory = results.imports = None
    assert judge(results) == []
