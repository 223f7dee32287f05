"""What the tests of the audit trail share: events, and reading back what was written.

The reader knows the format from its description alone, and uses nothing of ours: a trail that it
takes is one that others can read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from busway.events import Event

Record = dict[str, Any]


def login(n: object = 0) -> Event:
    return Event("user.login", {"n": n}, source="web")


def files(path: Path) -> list[Path]:
    """The segments of all slots."""
    return sorted(path.glob("*.jsonl"))


def chain(path: Path, slot: int = 1, key: bytes | None = None) -> list[Record]:
    """All records of one slot that count, each checked against the one before it."""
    stem = "audit" if slot == 1 else f"audit-w{slot}"
    found = sorted(path.glob(f"{stem}-[0-9]*.jsonl"))
    assert [file.name for file in found] == [
        f"{stem}-{number:06}.jsonl" for number in range(1, len(found) + 1)
    ]
    read: list[Record] = []
    parts = [file.read_bytes() for file in found]
    for number, data in enumerate(parts, start=1):
        header = json.loads(data.partition(b"\n")[0])
        assert (header["record"], header["slot"], header["segment"]) == ("segment", slot, number)
        size = len(data)
        if number < len(parts):
            size = json.loads(parts[number].partition(b"\n")[0])["previous_size"]
        assert size <= len(data)
        _follow(read, data[:size], header, key)
    return read


def _follow(read: list[Record], data: bytes, header: Record, key: bytes | None) -> None:
    """Add the lines of one segment, whole batches, linked by seq, prev and hash."""
    assert data.endswith(b"\n")
    first = None
    for line in data.decode().split("\n")[:-1]:
        record = json.loads(line, parse_constant=_refuse)
        before, _, claimed = line.rpartition(',"hash":"')
        content = b"busway-audit-1\0" + header["log"].encode() + b"\0" + before.encode()
        if header["seal"] == "sha256":
            digest = hashlib.sha256(content).hexdigest()
        else:
            assert key is not None
            digest = hmac.digest(key, content, "sha256").hex()
        assert claimed == digest + '"}'
        assert record["seq"] == (read[-1]["seq"] if read else 0) + 1
        assert record["prev"] == (read[-1]["hash"] if read else "0" * 64)
        first = first or record["seq"]
        read.append(record)
        if record.get("record") == "commit":
            batch = [one for one in read if one["seq"] >= first and "record" not in one]
            assert (record["first"], record["events"]) == (first, len(batch))
            first = None
    assert first is None, "the last batch has no commit"


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def slots(path: Path) -> list[int]:
    names = [re.fullmatch(r"audit-(?:w(\d+)-)?\d+\.jsonl", file.name) for file in files(path)]
    return sorted({int(name[1] or 1) for name in names if name})


def records(path: Path, key: bytes | None = None) -> list[Record]:
    """All records of a directory that count, slot by slot."""
    return [record for slot in slots(path) for record in chain(path, slot, key)]


def events(path: Path, key: bytes | None = None) -> list[Record]:
    """Those that are no records of the trail's own."""
    return [record for record in records(path, key) if "record" not in record]


def own(path: Path, kind: str, key: bytes | None = None) -> list[Record]:
    """The trail's own records of one kind."""
    return [record for record in records(path, key) if record.get("record") == kind]


def numbers(path: Path, key: bytes | None = None) -> list[Any]:
    """What stands at `n` in each payload."""
    return [record["payload"]["n"] for record in events(path, key)]


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does, and tells nobody."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def fork() -> int:
    """As `os.fork`, without the warning that other tests have left threads behind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
