"""Tests run in a fork: which is the first to fail there, and how."""

from __future__ import annotations

import signal

import pytest
from tests.mutants import fork

# Python warns of a fork while there are threads; these forks use none of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class World:
    """What is changed in a fork, and looked at by what is run there."""

    limit = 9

    def change(self) -> None:
        self.limit = 2

    def passes(self, test: int, following: int | None) -> bool:
        return test < self.limit


def test_the_first_to_fail_is_told():
    """The change has its effect in the fork, and none here."""
    world = World()
    assert fork.first_to_fail(world.change, [0, 1, 2, 3], world.passes) == (2, "failed")
    assert world.limit == 9


def test_all_pass():
    """Nothing is told."""
    world = World()
    assert fork.first_to_fail(lambda: None, [0, 1, 2, 3], world.passes) is None


def test_each_is_run_with_the_next():
    """So that what both share is kept for it."""
    follow = {0: 1, 1: 2, 2: None}
    assert (
        fork.first_to_fail(lambda: None, [*follow], lambda test, next_: follow[test] == next_)
        is None
    )


def test_one_that_hangs_is_told(monkeypatch):
    """The fork is killed."""
    monkeypatch.setattr(fork, "_PATIENCE", 2)
    found = fork.first_to_fail(lambda: None, [0, 1], lambda test, _: not test or signal.pause())
    assert found == (1, "hung")


def test_a_change_that_cannot_be_made_is_no_failing_test():
    """Or a fault of the change would be a test's success."""
    with pytest.raises(AssertionError, match="could not be made"):
        fork.first_to_fail(lambda: 1 / 0, [0], lambda test, following: True)
