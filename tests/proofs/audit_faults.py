"""The audit trail under a failing disk: at every n-th system call, nothing is lost unseen.

For each fault, each run, and one to three strikes in a row, one run for every call at which it
can strike; calls are tried until one is past the last. Whatever happens, an explicit flush either
raises or has made all durable; on a disk that works again everything is written, once, in order;
and a descriptor whose sync has failed is not synced again.

The pieces `kernel …` do the same from outside: strace injects the fault into the process.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.audit.disk import CALLS, Disk
from tests.audit.trail import login, numbers

from busway_audit import AuditLogHandler

__all__ = ["pieces", "run", "sample"]

FAULTS: dict[str, int | str] = {
    "EIO": errno.EIO,
    "ENOSPC": errno.ENOSPC,
    "EDQUOT": errno.EDQUOT,
    "EINTR": errno.EINTR,
    "short": "short",
    "full": "full",
}
RUNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rotating": {"rotate_bytes": 1_500},
    "sealed": {"key": "5a" * 32, "rotate_bytes": 4_000},
    "torn": {},
}
STRIKES = (1, 2, 3)
BATCHES = (1, 3, 2, 1)
MEMORY = Path("/dev/shm")

SYSTEM_CALLS = (
    *("mkdir", "openat", "flock", "getdents64", "newfstatat", "lseek", "pread64", "read", "write"),
    *("ftruncate", "fdatasync", "fsync", "rename", "renameat2", "unlinkat", "close"),
)
FILES = (
    *(f"audit-{number:06}.jsonl" for number in range(1, 7)),
    *("audit-000001.torn-1", "audit.lock", "audit.head", "audit.head.new"),
)
ERRORS = ("EIO", "ENOSPC", "EINTR")
CHILD = """
import asyncio, sys
from tests.proofs.audit_faults import write_through
print(asyncio.run(write_through(sys.argv[1], sys.argv[2])))
"""


def pieces() -> list[str]:
    """Every fault with every run and number of strikes; and those of the kernel."""
    ours = itertools.product(FAULTS, RUNS, STRIKES)
    theirs = itertools.product(SYSTEM_CALLS, ERRORS, RUNS) if shutil.which("strace") else ()
    return [
        *(f"kernel {call} {error} {name}" for call, error, name in theirs),
        *(f"{fault} {name} x{strikes}" for fault, name, strikes in ours),
    ]


def sample(seed: int) -> list[str]:
    """Six pieces of ours, and one of the kernel's."""
    chosen = random.Random(seed)
    ours = [piece for piece in pieces() if not piece.startswith("kernel")]
    theirs = [piece for piece in pieces() if piece.startswith("kernel fdatasync EIO")]
    return [*chosen.sample(ours, 6), *theirs[:1]]


def run(piece: str) -> dict[str, int]:
    """Try every position of one piece.

    Raises:
        AssertionError: if an event is lost, doubled or out of order, a failure was not told, or a
            descriptor was synced after a failed sync.
    """
    by_strace = piece.startswith("kernel")
    attempt, name = (
        (_inject, piece.rsplit(maxsplit=1)[-1]) if by_strace else (_fail, piece.split()[1])
    )
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder:
        for position in itertools.count(1):
            path = Path(folder) / str(position)
            if name == "torn":
                asyncio.run(_tear(path))
            found = attempt(piece, position, path)
            _check(path, name, f"{piece} at {position}")
            counts.update(found)
            shutil.rmtree(path)
            if not found["faults"]:
                return dict(counts)
    raise AssertionError("unreachable")


def _fail(piece: str, position: int, path: Path) -> dict[str, int]:
    """One run on our own failing disk; what was counted."""
    fault, name, strikes = piece.split()
    # every call can fail; what can be done by halves is a write
    calls = ("write",) if fault in ("short", "full") else CALLS
    disk = Disk(FAULTS[fault], position, int(strikes[1:]), calls=calls)
    raised = asyncio.run(write_through(path, name, disk))
    assert not disk.resynced, f"{piece} at {position}: synced again"
    return {"runs": 1, "faults": disk.struck, "flushes that raised": raised}


def _inject(piece: str, position: int, path: Path) -> dict[str, int]:
    """One run in a process into which strace injects the fault; what was counted."""
    _, call, error, name = piece.split()
    log = path.with_suffix(".log")
    files = [path, *(path / file for file in FILES)]
    command = [
        *(
            "strace",
            "-f",
            "-qq",
            "-o",
            str(log),
            "-e",
            f"inject={call}:error={error}:when={position}",
        ),
        *(part for file in files for part in ("-P", str(file))),
        *(sys.executable, "-W", "ignore", "-c", CHILD, str(path), name),
    ]
    here = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=here)
    assert done.returncode == 0, f"{piece} at {position}: {done.stderr}"
    told = log.read_text()
    assert not _synced_again(told), f"{piece} at {position}: synced again\n{told}"
    faults = told.count("(INJECTED)")
    return {"runs": 1, "faults": faults, "flushes that raised": int(done.stdout)}


def _synced_again(log: str) -> bool:
    """Whether a descriptor was synced after a sync of it had failed, and before it was closed."""
    spoiled = set()
    for name, fd, result in re.findall(r"(fdatasync|fsync|close)\((\d+)\) += (.+)", log):
        if name == "close":
            spoiled.discard(fd)
        elif fd in spoiled:
            return True
        elif "INJECTED" in result and "EINTR" not in result:  # Python itself goes on after EINTR
            spoiled.add(fd)
    return False


async def write_through(path: str | Path, name: str, disk: Disk | None = None) -> int:
    """Write batches while the disk fails, flushing after each, and at last on a good one.

    Returns:
        How many flushes raised.
    """
    path = Path(path)
    raised = accepted = 0
    audit = AuditLogHandler(path, rotate_daily=False, buffer_size=1_000, **RUNS[name])
    with nullcontext() if disk is None else disk.installed():
        for size in BATCHES:
            for _ in range(size):
                await audit.handle(login(accepted))
                accepted += 1
            try:
                await audit.flush()
            except OSError:
                raised += 1
                assert audit.health()["error"]
                assert audit.health()["pending"] > 0
            else:
                assert audit.health()["pending"] == 0, "flush() returned before all was durable"
                assert audit.health()["error"] == ""
                if disk is not None:  # strace would make this fail, too
                    _check(path, name, f"{accepted} acknowledged", accepted)
    await audit.flush()
    assert audit.health()["pending"] == 0
    assert audit.health()["error"] == ""
    await audit.stop()
    return raised


async def _tear(path: Path) -> None:
    """Leave behind what a crash in the middle of a batch does."""
    audit = AuditLogHandler(path, rotate_daily=False)
    await audit.handle(login("before"))
    await audit.stop()
    with (path / "audit-000001.jsonl").open("ab") as file:
        file.write(b'{"seq":8,"recorded_at":"2026')


def _check(path: Path, name: str, when: str, accepted: int = sum(BATCHES)) -> None:
    """All that was accepted is there, once, in order."""
    key = RUNS[name].get("key")
    found = numbers(path, bytes.fromhex(key) if key else None)
    before = ["before"] if name == "torn" else []
    assert found == [*before, *range(accepted)], f"{when}: {found}"
