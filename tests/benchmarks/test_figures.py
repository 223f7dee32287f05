"""What becomes of the values that pyperf measured."""

from __future__ import annotations

import pytest
from tests.benchmarks.cells import number, spread_cell, text_table, time_cell
from tests.benchmarks.conftest import bench
from tests.benchmarks.contenders import contender
from tests.benchmarks.figures import Figure, Ratio, figure, ratio
from tests.benchmarks.timing import LOOPS, loop_factory, stopwatch
from tests.benchmarks.workloads import find


def test_a_time_is_the_least_of_all_values() -> None:
    """And of each process, for the spread; the run that calibrated counts for nothing."""
    found = figure(bench("one", (5.0, 3.0), (4.0, 6.0), (8.0, 7.0)), difference=False)
    assert found == Figure(3.0, (3.0, 4.0, 7.0))
    assert found.spread == (3.5, 5.5)


def test_a_difference_is_the_lower_quartile_of_all_values() -> None:
    """Since it can be disturbed downwards as well."""
    found = figure(bench("one", (5.0, 3.0, 4.0), (1.0, 6.0)), difference=True)
    assert found == Figure(3.0, (3.5, 2.25))


def test_a_ratio_is_of_the_times_and_its_quartiles_are_of_the_rounds() -> None:
    """Each round by itself: both were measured within seconds of each other."""
    one, other = Figure(2.0, (2.0, 4.0, 6.0)), Figure(4.0, (4.0, 4.0, 4.0))
    assert ratio(one, other) == Ratio(0.5, 0.75, 1.25)


def test_a_single_round_has_no_spread() -> None:
    """Its quartiles are itself."""
    assert Figure(2.0, (2.0,)).spread == (2.0, 2.0)


@pytest.mark.parametrize("loops", [1, 50, 120])
def test_a_stopwatch_times_so_many_publishes(loops: int) -> None:
    """All in one running loop, of what was opened once."""
    published: list[int] = []

    @contender("counting")
    async def counting(handlers):
        published.append(0)

        async def publish() -> None:
            published[-1] += 1

        yield publish
        published.append(-1)

    with stopwatch(find("plain-1"), counting, "asyncio") as elapsed:
        assert elapsed(loops) > 0
        assert elapsed(loops) > 0
    assert published == [2 * loops, -1]


def test_of_a_difference_both_sides_are_run_in_turns() -> None:
    """As often as one another, and never less than asked for."""
    order: list[str] = []

    def named(name: str, **about: object):
        @contender(name, **about)
        async def opened(handlers):
            async def publish() -> None:
                order.append(name)

            yield publish

        return opened

    more = named("more", less=named("less"))
    with stopwatch(find("plain-1"), more, "asyncio") as elapsed:
        assert elapsed(120) > 0
    assert order.count("more") == order.count("less") >= 120
    assert order[0] == "more"
    assert order[-1] == "less"
    assert order != sorted(order, reverse=True)


def test_asyncio_makes_its_own_loop() -> None:
    """The other loops that can be asked for are made by their libraries."""
    assert loop_factory("asyncio") is None
    assert LOOPS == ("asyncio", "uvloop")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(2.5, "2.50 s"), (0.0123, "12.3 ms"), (456e-6, "456 µs"), (7e-9, "7.00 ns")],
)
def test_a_time_is_told_in_the_unit_that_suits_it(seconds: float, told: str) -> None:
    """With three digits."""
    assert time_cell(seconds) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (3, "3"), (1.254, "1.25"), (0.304, "0.304"), (0.0083, "0.0083"), (348.8, "349")],
)
def test_a_number_is_told_with_the_digits_that_matter(value: float, told: str) -> None:
    """A goal is as readable as a ratio far below it."""
    assert number(value) == told


def test_a_spread_is_told_as_percent_above_the_time() -> None:
    """Which is the least, so that nothing is below it."""
    assert spread_cell(Figure(2.0, (2.0, 3.0))) == "+12 to +38 %"


def test_a_table_leaves_empty_columns_out() -> None:
    """A workload in which all do the same has no column for what they lack."""
    rows = [("name", "lacks", "time"), ("a", "", "1"), ("bcdef", "", "20")]
    assert text_table(rows).splitlines() == ["name   time", "-----  ----", "a      1", "bcdef  20"]
