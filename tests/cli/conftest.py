"""A real `busway` in a process of its own, in an empty directory, with plugins made on the spot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TIMEOUT = 60
"""Seconds after which something hangs."""


class Busway:
    """Runs the command in `directory`, with the plugins made here and no others."""

    def __init__(self, directory: Path, compiled: Path) -> None:
        self.directory = directory
        self.compiled = compiled
        self.site = directory / "site"
        self.site.mkdir()
        self.names: list[str] = []
        self.started: list[subprocess.Popen[bytes]] = []

    def install(
        self,
        name: str,
        code: str,
        entry: str | None = None,
        *,
        group: str = "busway.handlers",
        distribution: str | None = None,
    ) -> None:
        """Make a distribution that is discovered: a module, its metadata and its entry point."""
        module = f"plugin_{(distribution or name).replace('-', '_')}"
        distribution = distribution or f"x-{name}"
        (self.site / f"{module}.py").write_text(dedent(code))
        info = self.site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(
            f"[{group}]\n{name} = {module}:{entry or 'Plugin'}\n"
        )
        if name not in self.names:
            self.names.append(name)

    def handler(self, name: str, body: str, *, types: str = "[ANY]", **settings: str) -> str:
        """Install a handler whose class has this body; returns the name that reports use."""
        prelude = (
            "import asyncio, os, sys, time\n"
            "from busway import ANY, Event, EventBus, EventHandler\n"
            "class Plugin(EventHandler):\n"
            f"    event_types = {types}\n"
        )
        code = prelude + "\n".join(f"    {line}" for line in dedent(body).splitlines())
        self.install(name, code, **settings)
        return f"plugin_{name}.Plugin"

    def environment(self, **changes: str) -> dict[str, str]:
        """That of the tests, without settings, and with bytecode kept: it halves the time.

        Without asyncio's debug mode: it writes to stderr when a machine is slow.
        """
        dropped = (
            "BUSWAY_",
            "PYTHONASYNCIODEBUG",
            "PYTHONDONTWRITEBYTECODE",
            "PYTHONUNBUFFERED",
            "FORCE_COLOR",
        )
        kept = {name: one for name, one in os.environ.items() if not name.startswith(dropped)}
        ours = {
            "PYTHONPATH": os.pathsep.join([str(self.site), os.environ.get("PYTHONPATH", "")]),
            "PYTHONPYCACHEPREFIX": str(self.compiled),
            "BUSWAY_PLUGINS": ",".join(self.names),
            "TERM": "xterm",
            "COLUMNS": "80",
        }
        if "BUSWAY_DEBUG" in os.environ:
            ours["BUSWAY_DEBUG"] = os.environ["BUSWAY_DEBUG"]
        return {**kept, **ours, **changes}

    def __call__(
        self, *args: str, stdin: bytes | str = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "busway_cli", *args],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.directory,
            env=self.environment(**(env or {})),
            timeout=TIMEOUT,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args,
            done.returncode,
            done.stdout.decode(errors="backslashreplace"),
            done.stderr.decode(errors="backslashreplace"),
        )

    def start(self, *args: str, **streams: object) -> subprocess.Popen[bytes]:
        """Start it with unbuffered pipes, or the given streams."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(
            [sys.executable, "-m", "busway_cli", *args],
            bufsize=0,
            cwd=self.directory,
            env=self.environment(),
            **{**pipes, **streams},  # type: ignore[call-overload]
        )
        self.started.append(process)
        return process


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of all tests keep their bytecode."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def busway(tmp_path: Path, compiled: Path) -> Iterator[Busway]:
    """The command, and an empty directory to run it in."""
    made = Busway(tmp_path, compiled)
    yield made
    for process in made.started:
        process.kill()
        process.wait(TIMEOUT)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture(scope="session")
def line() -> Callable[..., str]:
    """Makes the line of one event."""

    def make(type_: str = "user.login", **payload: object) -> str:
        return (
            json.dumps({"type": type_, "payload": payload, "timestamp": "2024-01-01T00:00:00Z"})
            + "\n"
        )

    return make
