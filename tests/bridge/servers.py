"""Brokers to test with: real servers on free ports of 127.0.0.1, to be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

__all__ = ["KINDS", "Nats", "Rabbit", "Redis", "Server"]

_PATIENCE = 90.0  # seconds that a server may take to start on a busy machine
_RABBIT = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Server:
    """A server: started, killed with -9, started again with what it has kept.

    Args:
        folder: where it keeps what it keeps.
    """

    program = ""
    forgets_for = 0.0
    """Seconds after which it no longer forgets, when it is killed, that something is there."""

    def __init__(self, folder: Path) -> None:
        if not shutil.which(self.program):
            pytest.skip(f"{self.program} is not installed")
        self.folder = folder
        self.port, *self.ports = free_ports(3)
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        """Start it, and wait until it can be spoken to."""
        self.run(*self.command())
        until = time.monotonic() + _PATIENCE
        while not self.answers():
            assert self.processes[-1].poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.02)

    def run(self, *command: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env={**os.environ, **self.environment()},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return self.greets(connection)
        except OSError:
            return False

    def greets(self, connection: socket.socket) -> bool:
        return True

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def kill(self) -> None:
        """End it with -9, and all that it started."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP leaves connections open to what no longer answers."""
        for process in self.processes:
            os.killpg(process.pid, number)

    def client(self) -> list[str]:
        """The native command that reads what is in it, if there is one."""
        return []


class Redis(Server):
    """Redis that syncs its append-only file before it answers."""

    program = "redis-server"
    sync = "always"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            *("--appendonly", "yes", "--appendfsync", self.sync, "--dir", str(self.folder)),
        ]

    def greets(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")


class Nats(Server):
    """NATS with JetStream."""

    program = "nats-server"

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [
            *("nats-server", "-a", "127.0.0.1", "-p", str(self.port)),
            *("--jetstream", "--store_dir", str(self.folder)),
        ]

    def greets(self, connection: socket.socket) -> bool:
        return connection.recv(64).startswith(b"INFO")


class Rabbit(Server):
    """RabbitMQ, with a port mapper of its own, which the kill ends too."""

    program = _RABBIT
    forgets_for = 6.0  # 3.10, a quorum queue that is new

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.ports[0]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"busway{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.ports[1]),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

    def start(self) -> None:
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("log.console.level = warning\n")
        epmd = shutil.which("epmd")
        assert epmd, "epmd comes with Erlang"
        self.run(epmd, "-port", str(self.ports[0]))
        super().start()

    def command(self) -> list[str]:
        return [_RABBIT]

    def greets(self, connection: socket.socket) -> bool:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(16).startswith(b"\x01")


KINDS: dict[str, type[Server]] = {"redis": Redis, "nats": Nats, "rabbit": Rabbit}
