"""What the tests of the audit trail share: events, and reading back what was written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from busway.events import Event


def login(n: object = 0) -> Event:
    return Event("user.login", {"n": n}, source="web")


def files(path: Path) -> list[Path]:
    return sorted(path.glob("*.jsonl"))


def records(path: Path) -> list[dict[str, Any]]:
    """All records of a directory, read by the standard library, strictly."""
    data = b"".join(file.read_bytes() for file in files(path))
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.decode().split("\n")[:-1]]


def numbers(path: Path) -> list[Any]:
    """What stands at `n` in each payload."""
    return [record["payload"]["n"] for record in records(path)]


def python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
