"""The measurement of middleware and interceptors runs, and tells of each."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import middleware

if TYPE_CHECKING:
    import pytest


def test_every_contender_has_its_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In the order in which they are measured; and what the memory is."""
    monkeypatch.setattr(middleware, "ROUNDS", 1)
    monkeypatch.setattr(middleware, "PUBLISHES", 2)
    monkeypatch.setattr(middleware, "KEYS", 10)
    middleware.main()
    told = capsys.readouterr().out
    rows = [line.split(" | ")[0].removeprefix("| ") for line in told.splitlines() if " | " in line]
    assert rows == ["with", *middleware.contenders(tmp_path)]
    assert "ratelimit, 10 keys: " in told


def test_every_class_is_measured() -> None:
    """Each class that is exported as a middleware or an interceptor, and none is left out."""
    source = Path(middleware.__file__).read_text(encoding="utf-8")
    for name in ("busway_middleware", "busway_resilience"):
        exported = importlib.import_module(name).__all__
        kinds = [one for one in exported if one.endswith(("Middleware", "Interceptor"))]
        assert all(f"{kind}(" in source for kind in kinds)
