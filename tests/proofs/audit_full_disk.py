"""The audit trail on a disk that is really full: a tmpfs of 64 KiB, and RLIMIT_FSIZE.

Events are accepted until the disk is full, and beyond that; nothing is lost, a flush says so, and
when there is room again all is written, by itself. A crash's remains on a full disk, too, wait
for room to be set aside. The tmpfs is mounted in a namespace of its own, which the kernel must
allow; where it does not, the pieces that need it are left out.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.audit.trail import numbers, own

__all__ = ["pieces", "run", "sample"]

KEY = "5a" * 32
SETTINGS = {
    "plain": {},
    "sealed": {"key": KEY},
    "rotating": {"rotate_bytes": 4_000},
    "torn": {},
}
NOT_BOTH = (("limit", "torn"), ("limit", "rotating"))  # a limit to one file leaves room for another
HERE = Path(__file__).parents[2]
MOUNT = 'mount -t tmpfs -o size=64k,mode=0700 tmpfs "$1" && shift && exec "$@"'

CHILD = """
import asyncio, errno, json, os, resource, shutil, signal, sys
from busway.events import Event
from busway_audit import AuditLogHandler

disk, out, limited, settings = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
path, ballast = os.path.join(disk, "audit"), os.path.join(disk, "ballast")

def login(n):
    return Event("user.login", {"n": n, "filling": "x" * 300})

def fill():
    if limited:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

def free():
    if limited:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    else:
        os.unlink(ballast)

async def write():
    audit = AuditLogHandler(path, buffer_size=10, rotate_daily=False, **settings)
    accepted, refused = 0, []
    while len(refused) < 5:
        for _ in range(7):
            await audit.handle(login(accepted))
            accepted += 1
        try:
            await audit.flush()
        except OSError as error:
            refused.append(error.errno)
            assert audit.health()["pending"] and audit.health()["error"]
    free()
    while audit.health()["pending"]:  # it tries again by itself
        await asyncio.sleep(0.01)
    await audit.handle(login(accepted))
    await audit.stop()
    return accepted + 1, refused

async def tear():
    audit = AuditLogHandler(path, rotate_daily=False)
    await audit.handle(login("before"))
    await audit.stop()
    with open(os.path.join(path, "audit-000001.jsonl"), "ab") as file:
        file.write(b"torn" * 2_000)

if sys.argv[5] == "torn":
    asyncio.run(tear())
fill()
if not limited:
    with open(ballast, "wb", buffering=0) as file:
        try:
            while sys.argv[5] == "torn" or file.tell() < 30_000:
                file.write(bytes(4_096))
        except OSError:
            pass
accepted, refused = asyncio.run(write())
shutil.copytree(path, out)
print(json.dumps([accepted, refused]))
"""


def pieces() -> list[str]:
    """The kinds of full disk there are here, with several trails each."""
    kinds = ["tmpfs"] * _can_mount() + ["limit"]
    return [f"{kind} {name}" for kind in kinds for name in SETTINGS if (kind, name) not in NOT_BOTH]


def sample(seed: int) -> list[str]:
    """A torn one, and two others."""
    torn = [piece for piece in pieces() if piece.endswith("torn")]
    return torn + random.Random(seed).sample([p for p in pieces() if p not in torn], 2)


def run(piece: str) -> dict[str, int]:
    """Fill the disk, and free it.

    Raises:
        AssertionError: if an event is lost, doubled or out of order, or nothing was refused.
    """
    kind, name = piece.split()
    with tempfile.TemporaryDirectory() as folder:
        disk, out = Path(folder) / "disk", Path(folder) / "out"
        disk.mkdir(0o700)
        child = [sys.executable, "-W", "ignore", "-c", CHILD, str(disk), str(out)]
        child += ["x" if kind == "limit" else "", json.dumps(SETTINGS[name]), name]
        if kind == "tmpfs":
            child = ["unshare", "-Urm", "sh", "-c", MOUNT, "sh", str(disk), *child]
        done = subprocess.run(child, capture_output=True, text=True, timeout=120, cwd=HERE)
        assert done.returncode == 0, done.stderr
        accepted, refused = json.loads(done.stdout)
        seal = bytes.fromhex(KEY) if name == "sealed" else None
        found = numbers(out, seal)
        before = ["before"] if name == "torn" else []
        assert found == [*before, *range(accepted)], found
        assert len(own(out, "recovered", seal)) == len(before)
    return {"accepted": accepted, "refusals": len(refused), "found": len(found)}


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "-Urm", "sh", "-c", MOUNT, "sh", folder, "true"]
        return subprocess.run(command, capture_output=True).returncode == 0
