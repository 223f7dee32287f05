"""A redis-server of one's own: started, killed, and started again on the same port."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

__all__ = ["RedisServer"]

_PATIENCE = 20.0


class RedisServer:
    """A server on a free port of 127.0.0.1, with its files in a folder.

    Args:
        folder: what it saves to.
        save: whether it keeps a snapshot, made by `snapshot`; else it always starts empty.
    """

    program = shutil.which("redis-server")

    def __init__(self, folder: Path, *, save: bool = False) -> None:
        self._folder = folder
        self._save = save
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        called = [
            str(self.program), "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self._folder), "--save", "", "--appendonly", "no",
            "--dbfilename", "dump.rdb" if self._save else "none.rdb", "--loglevel", "warning",
        ]  # fmt: skip
        self._process = subprocess.Popen(called, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE
        while self.ask(b"PING\r\n") != b"+PONG\r\n":
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.002)
        return self

    def ask(self, command: bytes) -> bytes:
        """The first answer to an inline command; nothing if there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(command)
                return connection.recv(65_536)
        except OSError:
            return b""

    def snapshot(self) -> None:
        """Have it save what it holds now."""
        assert self.ask(b"SAVE\r\n") == b"+OK\r\n"

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing, while its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
