"""Eight processes on one trail, under whatever conditions: each event once, each chain whole.

Of the eight, some are killed, some fork and go on as two, some stop in good order, and some begin
when others have ended and take over their slots. All of them say what they know to be durable.
The conditions: an umask of 0, a parent directory that anybody may write to, and a link in the
place of the directory, which all eight must refuse.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import stat
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.audit.trail import files, fork, numbers, slots

from busway.events import Event
from busway_audit import AuditLogHandler, verify

__all__ = ["pieces", "run", "sample"]

PROCESSES = 8
ROUNDS = 3
EVENTS = 120
CONDITIONS = ("umask 0", "sticky parent", "sealed", "open parent", "link")
REFUSED = ("open parent", "link")
KEY = "5a" * 32


def pieces() -> list[str]:
    """Every condition, ten times."""
    return [f"{condition}, seed {seed}" for condition in CONDITIONS for seed in range(10)]


def sample(seed: int) -> list[str]:
    """Every condition once."""
    return [f"{condition}, seed {seed % 10}" for condition in CONDITIONS]


def run(piece: str) -> dict[str, int]:
    """Let them write.

    Raises:
        AssertionError: if an event that was acknowledged is lost, or one is altered, doubled or
            out of its writer's order, or a condition was not met as it should be.
    """
    condition = piece.partition(",")[0]
    chosen = random.Random(piece)
    before = os.umask(0 if condition == "umask 0" else 0o022)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = _prepare(Path(folder), condition)
            if condition in REFUSED:
                return _refuse(path)
            key = KEY if condition == "sealed" else None
            crowd = _Crowd(path, key, chosen)
            for _ in range(ROUNDS):
                crowd.write_and_end()
            return dict(crowd.check())
    finally:
        os.umask(before)


def _prepare(folder: Path, condition: str) -> Path:
    parent = folder / "parent"
    parent.mkdir(0o755)
    if condition == "sticky parent":
        parent.chmod(0o1777)
    elif condition == "open parent":
        parent.chmod(0o777)
    elif condition == "link":
        (folder / "elsewhere").mkdir()
        (parent / "audit").symlink_to(folder / "elsewhere")
    return parent / "audit"


def _refuse(path: Path) -> dict[str, int]:
    """Each of eight processes refuses the path, and writes nothing anywhere."""

    async def try_it() -> None:
        audit = AuditLogHandler(path)
        await audit.handle(Event("audit.log"))
        with suppress(PermissionError):
            await audit.flush()
            os._exit(1)
        os._exit(7)

    children = []
    for _ in range(PROCESSES):
        child = fork()
        if child == 0:
            try:
                asyncio.run(try_it())
            finally:
                os._exit(1)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [7] * PROCESSES, codes
    assert not list(path.parents[1].rglob("*.jsonl"))
    return {"refusals": len(codes)}


class _Crowd:
    """The processes, and what they have acknowledged."""

    def __init__(self, path: Path, key: str | None, chosen: random.Random) -> None:
        self._path = path
        self._key = key
        self._chosen = chosen
        self._acknowledged: Counter[str] = Counter()
        self._whole: set[str] = set()  # who stopped in good order
        self._counts: Counter[str] = Counter()
        self._writers = 0

    def write_and_end(self) -> None:
        """Eight begin; all of them have ended, one way or another, when this returns."""
        reading, writing = os.pipe()
        ways = ["stop", "stop", "exit", "kill", "kill", "kill", "fork", "fork"]
        children: dict[int, str] = {}
        for way in ways:
            self._writers += 1
            name, seed = str(self._writers), self._chosen.randrange(2**32)
            child = fork()
            if child == 0:
                os.close(reading)
                self._write(name, way, writing, random.Random(seed))
            children[child] = way
        os.close(writing)
        for child, way in children.items():
            if way == "kill":
                time.sleep(self._chosen.uniform(0, 0.05))
                os.kill(child, signal.SIGKILL)
        told = b""
        while more := os.read(reading, 65_536):
            told += more
        os.close(reading)
        for child in children:
            os.waitpid(child, 0)
        self._counts["processes"] += len(ways) + ways.count("fork")
        self._note(told.decode().splitlines())

    def _note(self, lines: list[str]) -> None:
        for line in lines:
            name, _, count = line.partition(" ")
            if count == "whole":
                self._whole.add(name)
            else:
                self._acknowledged[name] = max(self._acknowledged[name], int(count))

    def _write(self, name: str, way: str, told: int, chosen: random.Random) -> None:
        code = 1
        try:
            audit = AuditLogHandler(self._path, key=self._key, rotate_bytes=20_000, buffer_size=20)
            name, child = self._write_events(audit, name, way, told, chosen)
            if way == "exit":
                audit._writer.abandon()  # as the interpreter's exit does
                os.write(told, f"{name} whole\n".encode())
            if child > 0:
                os.waitpid(child, 0)
            code = 0
        finally:
            os._exit(code)

    def _write_events(
        self, audit: AuditLogHandler, name: str, way: str, told: int, chosen: random.Random
    ) -> tuple[str, int]:
        """Who it is in the end, and the child that it has; it forks between two loops.

        Within one, parent and child would share what wakes it, and take it from each other.
        """
        child, begun = -1, 0
        if way == "fork":
            asyncio.run(self._publish(audit, name, range(EVENTS // 2), told, chosen))
            child, begun = fork(), EVENTS // 2
            if child == 0:
                name, begun = f"{name}'", 0
        asyncio.run(self._publish(audit, name, range(begun, EVENTS), told, chosen))
        if way != "exit":
            asyncio.run(audit.stop())
            os.write(told, f"{name} {EVENTS}\n{name} whole\n".encode())
        return name, child

    async def _publish(
        self, audit: AuditLogHandler, name: str, events: range, told: int, chosen: random.Random
    ) -> None:
        for n in events:
            await audit.handle(Event("audit.log", {"n": [name, n]}))
            if chosen.random() < 0.1:
                await audit.flush()
                os.write(told, f"{name} {n + 1}\n".encode())

    def check(self) -> Counter[str]:
        """What all of them have left, read as one trail."""
        seal = bytes.fromhex(self._key) if self._key else None

        async def go_on() -> None:  # in all slots at once, so that each is recovered
            audits = [AuditLogHandler(self._path, key=self._key) for _ in slots(self._path)]
            for audit in audits:
                await audit.handle(Event("audit.log", {"n": ["last", 0]}))
                await audit.flush()
            for audit in audits:
                await audit.stop()

        asyncio.run(go_on())
        found = numbers(self._path, seal)
        for name in {by for by, _ in found} | set(self._acknowledged) - {"last"}:
            written = [n for by, n in found if by == name]
            if name == "last":
                continue
            assert written == list(range(len(written))), f"{name}: {written}"
            assert len(written) >= self._acknowledged[name], f"{name}: {len(written)}"
            assert len(written) == EVENTS or name not in self._whole, f"{name}: {len(written)}"
        assert verify(self._path, print, keys=[seal] if seal else []).whole
        modes = {stat.S_IMODE(file.stat().st_mode) for file in files(self._path)}
        assert modes == {0o600}, modes
        assert stat.S_IMODE(self._path.stat().st_mode) == 0o700
        assert len(slots(self._path)) <= PROCESSES + 2, slots(self._path)
        self._counts.update(
            {
                "acknowledged events": sum(self._acknowledged.values()),
                "events found": len(found),
                "slots": len(slots(self._path)),
                "segments": len(files(self._path)),
            }
        )
        return self._counts
