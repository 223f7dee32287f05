"""What `import busway` costs and brings, beside `import asyncio` and `import pluggy`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

__all__ = ["BASE", "OURS", "brought", "import_times"]

BASE: Final = "asyncio, pluggy"
OURS: Final = "busway"
_TIMED: Final = """
import time
started = time.perf_counter()
import {what}
print(time.perf_counter() - started)
"""
_LISTED: Final = """
import json, sys
import asyncio, pluggy
before = set(sys.modules)
import busway
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def import_times(rounds: int) -> dict[str, list[float]]:
    """Seconds that each import takes in a fresh interpreter, in turns, the first not counted."""
    times: dict[str, list[float]] = {BASE: [], OURS: []}
    for _ in range(rounds + 1):
        for what, found in times.items():
            found.append(float(_in_a_fresh_interpreter(_TIMED.format(what=what))))
    return {what: found[1:] for what, found in times.items()}


def brought() -> dict[str, list[str]]:
    """The modules that `import busway` adds to those of asyncio and pluggy, but its own."""
    names = json.loads(_in_a_fresh_interpreter(_LISTED))
    names = [name for name in names if name.partition(".")[0] != OURS]
    standard = [name for name in names if name.partition(".")[0] in sys.stdlib_module_names]
    return {"standard": standard, "others": [name for name in names if name not in standard]}


def _in_a_fresh_interpreter(code: str) -> str:
    command = [sys.executable, "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
