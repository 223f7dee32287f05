"""Pages are played in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, Step
from tests.environments import Environment

__all__ = ["Play", "furnished", "play", "shared_by_pages"]

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


@pytest.fixture(scope="session")
def shared_by_pages(
    tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path]
) -> Environment:
    """Everything we ship, installed once for all pages."""
    folder = tmp_path_factory.mktemp("pages")
    made = Environment(folder / "venv", folder)
    venv.create(made.path, symlinks=True)
    made.install(*wheels.values(), "pytest", "pip")
    return made


@pytest.fixture
def furnished(shared_by_pages: Environment) -> Iterator[Environment]:
    """Everything we ship; what a page installs besides is uninstalled afterwards."""
    before = _installed(shared_by_pages)
    yield shared_by_pages
    added = _installed(shared_by_pages) - before
    if added:
        shared_by_pages.uninstall(*added)


def _installed(environment: Environment) -> set[str]:
    code = "import importlib.metadata as m; print(*(one.name for one in m.distributions()))"
    done = environment.run("-c", code)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def _clean_environment() -> dict[str, str]:
    """That of a new terminal."""
    unwanted = ("PYTHON", "BUSWAY", "PYTEST", "VIRTUAL_ENV", "COLUMNS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return clean | {"NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
