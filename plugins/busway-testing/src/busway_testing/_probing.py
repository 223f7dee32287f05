"""Import a plugin in fresh processes, and see what that does besides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from busway_testing import _probe

__all__ = ["Import", "probe"]

_TIMEOUT: Final = 60
"""Seconds after which an import hangs."""


class Import(NamedTuple):
    """What an import did.

    Attributes:
        effects: what it did besides, in sentences without a installed.
        error: the traceback, if it raised and did nothing else that is told here; else "".
    """

    effects: list[str]
    error: str


def probe(module: str) -> Import:
    """Import a module as the first thing, in one process without a running loop and one with."""
    with TemporaryDirectory() as folder:
        started = [(mode, _start(module, mode, Path(folder))) for mode in ("plain", "inside")]
        found = [_finish(process, Path(folder) / mode) for mode, process in started]
    plain, inside = found
    effects = list(dict.fromkeys([*plain.effects, *inside.effects]))
    if inside.error and not (plain.error or effects):
        last = inside.error.strip().splitlines()[-1]
        effects = [f"raises {last!r} while an event loop is running"]
    return Import(effects, "" if effects else plain.error)


def _start(module: str, mode: str, folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join(one for one in sys.path if one)
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", "-W", "ignore", _probe.__file__, module, mode, folder / mode],
        env=os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def _finish(process: subprocess.Popen[str], file: Path) -> Import:
    try:
        printed = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Import([f"takes longer than {_TIMEOUT} s"], "")
    if not file.exists():
        return Import([f"ends the process (exit code {process.returncode})"], "")
    told = json.loads(file.read_text(encoding="utf-8"))
    prints = [
        f"prints {text.strip()[:100]!r} to {stream}"
        for stream, text in zip(("stdout", "stderr"), printed, strict=True)
        if text
    ]
    return Import([*told["effects"], *prints], told["error"])
