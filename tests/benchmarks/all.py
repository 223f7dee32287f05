"""Run the benchmarks on several interpreters, and write the page in the docs.

`python -m tests.benchmarks.all PYTHON ...`: each is a version that uv finds, or the path of an
interpreter; the first is also run with uvloop, and the page is about it. Finished runs are kept in
`.benchmarks/`, so that what was interrupted goes on where it was; `--fresh` forgets them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

_KEPT: Final = Path(".benchmarks")
_REQUIREMENTS: Final = "tests/benchmarks/requirements.txt"
_UV: Final = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.all", description=__doc__)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    parser.add_argument("--fresh", action="store_true", help="forget the runs that are done")
    parser.add_argument("--fast", action="store_true", help="rough figures")
    options = parser.parse_args()
    if options.fresh:
        shutil.rmtree(_KEPT, ignore_errors=True)
    first = options.pythons[0]
    wanted = [(python, "asyncio") for python in options.pythons] + [(first, "uvloop")]
    files = [_run(python, loop, fast=options.fast) for python, loop in wanted]
    _uv(first, "tests.benchmarks.page", *map(str, files))
    return 0


def _run(python: str, loop: str, *, fast: bool) -> Path:
    kept = _KEPT / f"{_version(python)}-{loop}.json"
    if not kept.exists():
        print(f"{python}, {loop}", flush=True)
        options = ["--fast"] if fast else []
        _uv(python, "tests.benchmarks", "--loop", loop, "--json", str(kept), *options)
    return kept


def _version(python: str) -> str:
    """Of an interpreter, in full."""
    found = subprocess.run(
        [_UV, "python", "find", python], check=True, stdout=subprocess.PIPE, text=True
    )
    asked = [found.stdout.strip(), "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _uv(python: str, module: str, *arguments: str) -> None:
    """Run a module in an environment of its own, with the peers and this tree's Busway."""
    command = [_UV, "run", "-q", "--isolated", "--python", python]
    command += ["--with-requirements", _REQUIREMENTS, "python", "-m", module, *arguments]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
