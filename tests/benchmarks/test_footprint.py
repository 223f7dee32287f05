"""What is asked of memory and imports is answered."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.benchmarks.importing import BASE, OURS, brought, import_times
from tests.benchmarks.memory import SAMPLES, bytes_for_a_subscription, growth
from tests.benchmarks.rounds import ROOT


@pytest.mark.parametrize("types", [1, 12])
def test_a_subscription_takes_bytes(types: int) -> None:
    """More than the references to the handler that it cannot do without, and not a page."""
    assert 16 < bytes_for_a_subscription(1_000, types) < 4_096


@pytest.mark.parametrize(("what", "kind"), [("bytes", dict), ("run", list)])
def test_memory_is_measured_in_a_process_of_its_own(what: str, kind: type) -> None:
    """Which prints what it found as JSON."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", what, "1000", "asyncio"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert isinstance(found, kind)
    assert what == "bytes" or (len(found) == SAMPLES and min(found) > 2**20)


def test_growth_is_that_of_the_second_half() -> None:
    """What warms up belongs to the first."""
    assert growth([0, 1, 2, 3, 10, 10, 11, 12, 13, 14]) == 4


def test_imports_are_timed_in_turns() -> None:
    """As often as one another."""
    times = import_times(2)
    assert {name: len(found) for name, found in times.items()} == {BASE: 2, OURS: 2}
    assert min(min(found) for found in times.values()) > 0


def test_importing_busway_brings_nothing_of_others() -> None:
    """Beside asyncio and pluggy, only what comes with Python."""
    found = brought()
    assert found["others"] == []
    assert "busway" not in found["standard"]
