"""Fresh environments with built wheels in them, as a user has them; no source is on the path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Environment", "call", "environment", "full", "linux_auth", "uv", "wheels"]

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = (
    "busway-audit",
    "busway-bridge",
    "busway-cache",
    "busway-cli",
    "busway-middleware",
    "busway-notify",
    "busway-outbox",
    "busway-resilience",
    "busway-testing",
)


def uv() -> str:
    beside = Path(sysconfig.get_path("scripts")) / ("uv.exe" if os.name == "nt" else "uv")
    return str(beside) if beside.exists() else "uv"


def call(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own, and a folder to work in."""

    path: Path
    work: Path

    @property
    def python(self) -> str:
        return str(self.path / "bin" / "python")

    def install(self, *what: str | Path) -> None:
        call(uv(), "pip", "install", "-q", "--python", self.python, *map(str, what))

    def uninstall(self, *names: str) -> None:
        call(uv(), "pip", "uninstall", "-q", "--python", self.python, *names)

    def run(
        self, *arguments: str | Path, env: dict[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `busway`, or with a first argument `-m` or `-c` this environment's python."""
        command = [str(self.path / "bin" / "busway")]
        if arguments[0] in ("-m", "-c"):
            command = [self.python]
        unwanted = ("BUSWAY", "PYTHON")  # asyncio's debug mode tells how slow a machine is
        clean = {name: one for name, one in os.environ.items() if not name.startswith(unwanted)}
        return subprocess.run(
            [*command, *map(str, arguments)],
            cwd=self.work,
            env=clean | (env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def plugins(self, env: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
        """What `busway plugins --json` says, by name."""
        done = self.run("plugins", "--json", env=env)
        assert done.returncode == 0, done.stderr
        return {row["name"]: row for row in json.loads(done.stdout)}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The built wheel of each distribution: those of WHEELHOUSE, or built now."""
    given = os.environ.get("WHEELHOUSE")
    folder = Path(given) if given else tmp_path_factory.mktemp("wheels")
    if not given:
        call(uv(), "build", "-q", "--all-packages", "--wheel", "-o", str(folder), cwd=ROOT)
    found = {path.name.split("-")[0].replace("_", "-"): path for path in folder.glob("*.whl")}
    assert sorted(found) == ["busway", *PLUGINS]
    return found


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment with nothing in it."""
    made = Environment(tmp_path / "venv", tmp_path / "work")
    made.work.mkdir()
    call(uv(), "venv", "-q", "--python", sys.executable, str(made.path))
    return made


@pytest.fixture
def full(environment: Environment, wheels: dict[str, Path]) -> Environment:
    """An environment with everything we ship."""
    environment.install(*wheels.values())
    return environment


@pytest.fixture
def linux_auth() -> Path:
    """The real events, which are not part of the project."""
    path = ROOT.parent / "shared" / "data" / "linux-auth.jsonl"
    if not path.exists():
        pytest.skip(f"the sample of real events is not at {path}")
    return path
