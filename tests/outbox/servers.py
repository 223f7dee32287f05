"""PostgreSQL of Debian's packages, started by tests on a free port, and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

__all__ = ["Postgres", "missing"]

_UNPRIVILEGED = "nobody"  # initdb refuses root


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parts[-2]))
    return found[-1] if found else None


def missing() -> str:
    """Why it cannot be started, or ""."""
    if _programs() is None:
        return "no PostgreSQL in /usr/lib/postgresql"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no psycopg"
    return ""


class Postgres:
    """A server with a directory of its own; a context, at whose end nothing is left."""

    def __init__(self, *, fsync: bool = False) -> None:
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self._fsync = "on" if fsync else "off"
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        # /tmp itself: an unprivileged user may not enter pytest's directory
        self._folder = Path(tempfile.mkdtemp(prefix="busway-pg-", dir="/tmp"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(self._folder, _UNPRIVILEGED)
            self._as = {"user": _UNPRIVILEGED}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run(
            "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"
        )
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"listen_addresses": "127.0.0.1", "fsync": self._fsync, "port": str(self.port)}
        options["unix_socket_directories"] = str(self._folder)
        command = [str(self._programs / "postgres"), "-D", "data"]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as,
            )
        end = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, "it does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """`kill -9`: the server and all that it has started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def database(self) -> str:
        """The URL of a new database."""
        import psycopg

        self._count += 1
        name = f"test_{self._count}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        done = subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False,
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            **self._as,
        )
        assert done.returncode == 0, done.stderr
