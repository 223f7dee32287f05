"""Proof of the tests: a change to the bus, its dispatch or its middleware makes one of them fail.

Each mutant of the three modules, its source with one small change, is put in place in a fork of a
process that has the tests collected, and they are run until one fails or hangs. The mutants that
none kills are those in the list of `docs/mutation.md`, each with why it is harmless; one that is
not there, or one there that is killed or no more made, refutes the proof. So does a test that fails
without a change.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.mutants.harmless import harmless
from tests.mutants.source import mutants

__all__ = ["pieces", "run", "sample"]

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "middleware": (
        "tests/core/test_middleware.py",
        "tests/core/bus/test_middleware.py",
        "tests/core/bus/test_interceptors.py",
    ),
    "_dispatch": ("tests/core",),
    "bus": ("tests/core",),
}
PIECES: Final = {"middleware": 4, "_dispatch": 4, "bus": 8}
"""Of each module; a piece of the middleware takes some seconds, of the others some minutes."""


def pieces() -> list[str]:
    """The module, and which part of its mutants."""
    return [
        f"{module} {part} of {parts}"
        for module, parts in PIECES.items()
        for part in range(1, parts + 1)
    ]


def run(piece: str) -> dict[str, int]:
    """Run a piece; AssertionError if one survives that is not known to be harmless."""
    module, part, _, parts = piece.split()
    keys = [one.key for one in mutants(module)]
    known = {key for key in harmless() if re.match(rf"{module}\b", key)}
    assert known <= {*keys}, _told("no such mutant, but in the list", known - {*keys})
    first, last = ((int(part) - one) * len(keys) // int(parts) for one in (1, 0))
    chosen = keys[first:last]
    ends = _serve(module, chosen)
    survived = {key for key, how in ends.items() if how is None}
    assert survived <= known, _told("survived, and not in the list", survived - known)
    killed = {*chosen} - survived
    assert not killed & known, _told("killed, but in the list", killed & known)
    hung = sum(how == "hung" for how in ends.values())
    return {"killed": len(killed) - hung, "killed by a hang": hung, "harmless": len(survived)}


def sample(seed: int) -> list[str]:
    """A few mutants of the middleware: it has tests that take no time."""
    return [random.Random(seed).choice([one for one in pieces() if one.startswith("middleware")])]


def _serve(module: str, keys: list[str]) -> dict[str, str | None]:
    """How each mutant was killed; None if it was not."""
    with TemporaryDirectory(prefix="busway-mutation-") as folder:
        out = Path(folder) / "out"
        done = subprocess.run(
            [sys.executable, "-m", "tests.mutants.server", str(out), module, *TESTS[module]],
            cwd=ROOT,
            input=json.dumps(keys),
            capture_output=True,
            text=True,
            check=False,
        )
        told = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, f"the server ended with {done.returncode}\n{told[-10_000:]}"
        ends = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [key for key, _, _ in ends] == keys
    return {key: how for key, _, how in ends}


def _told(what: str, keys: set[str]) -> str:
    return "\n  ".join([f"{what}:", *sorted(keys)])
