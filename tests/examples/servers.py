"""A web server in a process of its own, and what a plugin in it tells of its bus."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

    from tests.environments import Environment

__all__ = ["TIMEOUT", "Server", "install_witness"]

TIMEOUT = 120
"""Seconds after which something hangs."""

WITNESS = """
import os
from busway import ANY, EventHandler

def tell(what):
    os.write(1, f"witness: {what} {os.getpid()}\\n".encode())  # whole, whoever else writes

class Witness(EventHandler):
    event_types = [ANY]

    async def start(self, bus):
        tell("started")

    async def handle(self, event):
        tell("handled")

    async def stop(self):
        tell("stopped")
"""


def install_witness(site: Path) -> None:
    """A plugin that tells when it is started, handles an event, and is stopped, and where."""
    info = site / "witness-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "witness.py").write_text(WITNESS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: witness\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[busway.handlers]\nwitness = witness:Witness\n")


class Server:
    """A command in a folder, with the witness; its output is read as it comes."""

    def __init__(self, environment: Environment, folder: Path, *command: str) -> None:
        kept = {name: one for name, one in os.environ.items() if not name.startswith("BUSWAY")}
        ours = {
            "BUSWAY_PLUGINS": "witness",
            "HOME": str(folder),  # gunicorn keeps a socket there
            "PYTHONPATH": os.pathsep.join([str(folder), str(folder / "site")]),
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            [str(environment.path / "bin" / command[0]), *command[1:]],
            cwd=folder,
            env=kept | ours,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._hangs = threading.Timer(TIMEOUT, self._kill)
        self._hangs.start()
        self.output = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._hangs.cancel()
        self._kill()
        self._process.wait()
        self._process.stdout.close()

    def read_until(self, pattern: str, times: int = 1) -> str:
        """Read on until so many more lines have the pattern; returns its group in the last."""
        for line in self._process.stdout:
            self.output += line
            found = re.search(pattern, line)
            times -= bool(found)
            if not times:
                return found[1]
        raise AssertionError(f"it ended before {pattern!r}:\n{self.output}")

    def read_once(self, pattern: str) -> None:
        """Read on until a line has the pattern, unless one had it before."""
        if not re.search(pattern, self.output):
            self.read_until(f"({pattern})")

    def post(self, url: str) -> dict[str, object]:
        """What it answers."""
        request = urllib.request.Request(url, method="POST")
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            assert answer.status == 201
            return json.load(answer)

    def end(self, by: signal.Signals, *, master_alone: bool = False) -> int:
        """Signal its processes, as a terminal does, and `wait`."""
        (os.kill if master_alone else os.killpg)(self._process.pid, by)
        return self.wait()

    def wait(self) -> int:
        """Read to the end, and return its exit code."""
        self.output += self._process.stdout.read()
        return self._process.wait()

    def told(self, what: str) -> list[int]:
        """In which processes the witness was `started`, `handled` an event, was `stopped`."""
        return sorted(map(int, re.findall(rf"witness: {what} (\d+)", self.output)))

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
