"""The fixtures of busway-testing; and each test works in a folder of its own."""

from pathlib import Path

import pytest

pytest_plugins = ["busway_testing"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a relative path leads."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
