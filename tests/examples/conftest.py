"""One environment for all tests here: all that we ship, the examples, and the web servers."""

from __future__ import annotations

import shutil
import venv
from typing import TYPE_CHECKING

import pytest
from tests.docs.conftest import play
from tests.environments import ROOT, Environment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EXAMPLES", "examples", "play"]

EXAMPLES = sorted(path.parent.name for path in ROOT.glob("docs/examples/*/pyproject.toml"))
_SERVERS = ("django", "flask", "gunicorn", "pyuwsgi")
_CHECKERS = ("mypy", "ruff")


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path]) -> Environment:
    """The examples, copied to the folder to work in and installed from there."""
    folder = tmp_path_factory.mktemp("examples")
    made = Environment(folder / "venv", folder / "work")
    hidden = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "docs" / "examples", made.work, ignore=hidden)
    venv.create(made.path, symlinks=True)
    made.install(*wheels.values(), *_SERVERS, *_CHECKERS)
    made.install(*(made.work / name for name in EXAMPLES))
    groups = [f"{made.work / name / 'pyproject.toml'}:test" for name in EXAMPLES]
    made.install(*(part for group in groups for part in ("--group", group)))
    return made
