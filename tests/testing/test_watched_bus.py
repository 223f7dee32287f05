"""The bus of the fixtures is otherwise as any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITES = (
    "cancellation",
    "causation",
    "closing",
    "deliver",
    "drain",
    "interceptors",
    "isolation",
    "lifecycle",
    "middleware",
    "publish",
    "publish_many",
    "publish_soon",
    "publish_threadsafe",
    "report_failures",
    "threads_and_loops",
)


def test_the_bus_s_own_tests_pass_on_it() -> None:
    """Those of what it does; not those of what it keeps, as it keeps a test's events."""
    files = [f"tests/core/bus/test_{one}.py" for one in SUITES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.testing.watched", *files],
        cwd=ROOT,
        env=os.environ | {"PYTEST_ADDOPTS": "-p no:cacheprovider"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
