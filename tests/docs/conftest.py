"""Pages are played in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, Step

__all__ = ["Play", "play"]

Play = Callable[..., subprocess.CompletedProcess[str]]
_PLAYER = Path(__file__).with_name("play.py")


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Play steps in a fresh directory; the page was true if that ends with 0."""

    def played(
        steps: list[Step],
        *,
        python: str = sys.executable,
        scripts: str = sysconfig.get_path("scripts"),
        replace: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        work = tmp_path / "page"
        (work / "docs").mkdir(parents=True, exist_ok=True)
        (work / "docs" / "sample.jsonl").write_bytes((ROOT / "docs/sample.jsonl").read_bytes())
        said = tmp_path / "steps.json"
        said.write_text(json.dumps({"steps": steps, "replace": replace or {}}))
        return subprocess.run(
            [python, "-W", "error", str(_PLAYER), str(said)],
            check=False,
            cwd=work,
            env=_clean_environment() | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return played


def _clean_environment() -> dict[str, str]:
    """That of a new terminal."""
    unwanted = ("PYTHONPATH", "PYTHONHOME", "PYTHONUNBUFFERED", "VIRTUAL_ENV", "COLUMNS")
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BUSWAY", "PYTEST")) and name not in unwanted
    }
    return clean | {"NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
