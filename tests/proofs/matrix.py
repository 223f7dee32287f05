"""Proof that the suite passes wherever it may run: versions of Python, loops, and modes.

Each piece of the matrix is the whole suite in a new virtual environment: on 3.11, 3.12 or 3.13, on
asyncio's loop or uvloop, plain or in debug mode: that of buses (`BUSWAY_DEBUG=1`) and of loops
(`PYTHONASYNCIODEBUG=1`). Besides there are small pieces, a few tests on the Python that runs them.

The processes that tests start, for the command line and the installed distributions, run on
asyncio's loop always: nobody but the application chooses the loop of an application.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["pieces", "run", "sample"]

ROOT: Final = Path(__file__).resolve().parents[2]
VERSIONS: Final = ("3.11", "3.12", "3.13")
LOOPS: Final = ("asyncio", "uvloop")
MODES: Final[dict[str, dict[str, str]]] = {
    "plain": {},
    "debug": {"BUSWAY_DEBUG": "1", "PYTHONASYNCIODEBUG": "1"},
}
_HERE: Final = "here"
_SMALL: Final = (
    "tests/core/test_axes.py",
    "tests/core/bus/test_cancellation.py",
    "tests/core/bus/test_isolation.py",
    "tests/core/bus/test_publish.py",
    "tests/core/bus/test_tasks_of_handlers.py",
)


def pieces() -> list[str]:
    """Where, on which loop, in which mode."""
    return [
        f"{where} {on} {mode}" for where in (_HERE, *VERSIONS) for on in LOOPS for mode in MODES
    ]


def run(piece: str) -> dict[str, int]:
    """Run a piece; AssertionError if a test fails, or the interpreter is not to be found."""
    where, loop, mode = piece.split()
    environment = {name: one for name, one in os.environ.items() if not name.startswith("BUSWAY_")}
    environment |= {"TEST_LOOP": loop, **MODES[mode]}
    if where == _HERE:
        return _count(sys.executable, environment, *_SMALL)
    with TemporaryDirectory(prefix="busway-matrix-") as folder:
        return _count(_install(_find(where), Path(folder) / "venv"), environment)


def sample(seed: int) -> list[str]:
    """One of the small pieces."""
    known = [loop for loop in LOOPS if loop == "asyncio" or importlib.util.find_spec(loop)]
    chosen = random.Random(seed)
    return [f"{_HERE} {chosen.choice(known)} {chosen.choice(list(MODES))}"]


def _find(version: str) -> str:
    """The interpreter of a version, on PATH or among pyenv's, as `.ci/run` finds it."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python")]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    raise AssertionError(f"there is no Python {version} on this machine")


def _install(python: str, path: Path) -> str:
    """Make a virtual environment with the workspace and what its tests need; its interpreter."""
    uv = shutil.which("uv", path=sysconfig.get_path("scripts")) or "uv"
    made = str(path / "bin" / "python")
    editable = [ROOT, *sorted(one.parent for one in ROOT.glob("plugins/*/pyproject.toml"))]
    sources = [part for one in editable for part in ("-e", str(one))]
    _call([uv, "venv", "-q", "--no-python-downloads", "--python", python, str(path)])
    _call([uv, "pip", "install", "-q", "--python", made, *sources, "--group", "dev"])
    return made


def _count(python: str, environment: dict[str, str], *tests: str) -> dict[str, int]:
    """How many tests passed, and how many were skipped."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    last = _call(command, environment).strip().splitlines()[-1]
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (passed|skipped)", last)}
    assert counts.get("passed"), last
    return counts


def _call(command: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    told = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"{' '.join(command)}\n{told[-10_000:]}"
    return done.stdout
