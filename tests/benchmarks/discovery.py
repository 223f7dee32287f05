"""What discovery costs, beside one bare `entry_points()`: `python -m tests.benchmarks.discovery`.

Both run in one fresh interpreter, in turns, among 300 distributions of which 50 have plugins.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["install_many", "main"]

_MEASURED: Final = """
import sys, time
sys.path.insert(0, sys.argv[1])
from importlib_metadata import MetadataPathFinder, entry_points
from busway._discovery import discover

def took(function):
    MetadataPathFinder.invalidate_caches()
    began = time.perf_counter()
    function()
    return time.perf_counter() - began

rounds = [(took(discover), took(entry_points)) for _ in range(31)][1:]
ours, bare = map(min, zip(*rounds))
print(f"discover() {ours * 1e3:.1f} ms, entry_points() {bare * 1e3:.1f} ms: {ours / bare:.2f}")
"""


def install_many(site: Path, *, distributions: int = 300, plugins: int = 50) -> None:
    """Make distributions as an installer leaves them, the first of them with a plugin each."""
    for number in range(distributions):
        folder = site / f"made_{number}-1.0.dist-info"
        folder.mkdir(parents=True)
        described = "\n".join(["A description, as long as they are."] * 100)
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: made-{number}\nVersion: 1.0\n"
            f"Requires-Dist: busway>=0.1\nRequires-Dist: click>=8\n\n{described}\n"
        )
        (folder / "RECORD").write_text(f"made_{number}.py,,\n")
        group = "busway.handlers" if number < plugins else "console_scripts"
        (folder / "entry_points.txt").write_text(
            f"[{group}]\nmade-{number} = made_{number}:Handler\n"
        )
        (site / f"made_{number}.py").write_text("raise AssertionError('imported')\n")


def main() -> None:
    with TemporaryDirectory() as folder:
        install_many(Path(folder))
        subprocess.run([sys.executable, "-c", _MEASURED, folder], check=True)


if __name__ == "__main__":
    main()
