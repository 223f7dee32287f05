"""The audit trail under a failing disk: nothing lost, doubled or out of order.

For each kind of fault and each layout of batches, one run for every position at which the fault
can strike, and for one, two or three strikes in a row; after each run the file must hold every
event once, in order. The position is that of the system call, counted from the run's beginning;
positions are tried until one is past the last call.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any

import msgspec

from busway.events import Event
from busway_audit import AuditLogHandler

KINDS = ("write", "short", "sync", "cut", "open", "directory")
STRIKES = (1, 2, 3)
LAYOUTS = ("1", "3", "1,1", "2,3", "5,1,4", "1,1,1,1,1,1", "100,1,100")


class Disk:
    """System calls that fail on demand, in the audit trail's own thread and nowhere else.

    Args:
        kind: what fails. `short`: half is written before it does; `cut`: a write fails after its
            half, and so do the next `strikes` attempts to cut the file back.
        position: which call is the first to fail, from 1.
        strikes: how many in a row do.

    Attributes:
        calls: how many of the calls that can fail were made.
        struck: how many failed.
    """

    def __init__(self, kind: str, position: int, strikes: int) -> None:
        self.kind = kind
        self.position = position
        self.strikes = strikes
        self.calls = self.struck = self.uncuttable = 0

    def strikes_now(self) -> bool:
        self.calls += 1
        if self.position <= self.calls < self.position + self.strikes:
            self.struck += 1
            return True
        return False

    def write(self, fd: int, data: bytes) -> int:
        if self.kind not in ("write", "short", "cut") or not self.strikes_now():
            return _write(fd, data)
        if self.kind != "write":
            _write(fd, data[: len(data) // 2])
        if self.kind == "cut":
            self.uncuttable = self.strikes
        raise OSError(ENOSPC, "no space, says the proof")

    def truncate(self, fd: int, length: int) -> None:
        if self.uncuttable:
            self.uncuttable -= 1
            raise OSError(EIO, "no cutting, says the proof")
        _ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        if self.kind == "sync" and self.strikes_now():
            raise OSError(EIO, "no sync, says the proof")
        _fdatasync(fd)

    def sync_directory(self, fd: int) -> None:
        if self.kind == "directory" and self.strikes_now():
            raise OSError(EIO, "no sync of the directory, says the proof")
        _fsync(fd)

    def open(self, path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if self.kind == "open" and str(path).endswith(".jsonl") and self.strikes_now():
            raise OSError(ENOSPC, "no new file, says the proof")
        return _open(path, flags, mode, **options)

    @contextmanager
    def installed(self) -> Iterator[None]:
        replaced = {
            "write": self.write,
            "ftruncate": self.truncate,
            "fdatasync": self.sync,
            "fsync": self.sync_directory,
            "open": self.open,
        }
        originals = {name: getattr(os, name) for name in replaced}
        for name, faulty in replaced.items():
            setattr(os, name, _in_writer(faulty, originals[name]))
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(os, name, original)


_write, _ftruncate, _fdatasync, _fsync = os.write, os.ftruncate, os.fdatasync, os.fsync
_open = os.open


def _in_writer(faulty: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        here = threading.current_thread().name.startswith("busway-audit")
        return (faulty if here else original)(*args, **options)

    return call


def pieces() -> list[str]:
    """Every kind of fault with every layout of batches and every number of strikes."""
    return [
        f"{kind} {layout} x{strikes}"
        for kind, layout, strikes in itertools.product(KINDS, LAYOUTS, STRIKES)
    ]


def sample(seed: int) -> list[str]:
    """Two pieces of each kind."""
    chosen = random.Random(seed)
    every = pieces()
    return [
        piece
        for kind in KINDS
        for piece in sorted(chosen.sample([p for p in every if p.startswith(f"{kind} ")], 2))
    ]


def run(piece: str) -> dict[str, int]:
    """Try every position of one piece.

    Raises:
        AssertionError: if an event is lost, doubled or out of order, or a failure was not told.
    """
    kind, layout, strikes = piece.split()
    counts: Counter[str] = Counter()
    for position in itertools.count(1):
        disk = Disk(kind, position, int(strikes.removeprefix("x")))
        batches = [int(size) for size in layout.split(",")]
        with tempfile.TemporaryDirectory() as path:
            failures = asyncio.run(_write_through(disk, batches, Path(path)))
            written = _sequence(Path(path))
        assert written == list(range(sum(batches))), f"{piece} at {position}: {written}"
        told = failures >= disk.struck if kind == "cut" else failures == disk.struck
        assert told, f"{piece} at {position}: {failures} of {disk.struck} faults told"
        counts.update(runs=1, faults=disk.struck, records=len(written))
        if not disk.struck:
            return dict(counts)
    raise AssertionError("unreachable")


async def _write_through(disk: Disk, batches: list[int], path: Path) -> int:
    """Accept the batches, flushing after each, with one more flush at the end, on a good disk."""
    handler = AuditLogHandler(path, buffer_size=1_000)
    accepted = failures = 0
    with disk.installed():
        for size in batches:
            for _ in range(size):
                await handler.handle(Event("audit.log", {"n": accepted}))
                accepted += 1
            try:
                await handler.flush()
            except OSError:
                failures += 1
                assert handler.health()["error"]
                assert disk.kind == "cut" or _whole(path), "a part of a failed batch is left"
            else:
                assert len(_sequence(path)) == accepted, "flush() returned before all was written"
    await handler.flush()
    assert handler.health()["pending"] == 0
    assert not handler.health()["error"]
    await handler.stop()
    return failures


def _whole(path: Path) -> bool:
    """Whether every file ends at a line."""
    return all(data.endswith(b"\n") for file in path.glob("*.jsonl") if (data := file.read_bytes()))


def _sequence(path: Path) -> list[int]:
    lines = b"".join(file.read_bytes() for file in sorted(path.glob("*.jsonl"))).splitlines()
    return [msgspec.json.decode(line)["payload"]["n"] for line in lines]
