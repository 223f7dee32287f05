"""Run a proof whole, piece by piece: `python -m tests.proofs NAME`.

A proof is a module beside this one with `pieces() -> list[str]`, `run(piece) -> dict[str, int]`,
which raises AssertionError when something is refuted and returns what it counted, and
`sample(seed) -> list[str]`. Finished pieces are kept in `.proofs/NAME.json`, so that a run that
was interrupted goes on where it was; `--fresh` forgets them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from collections import Counter
from pathlib import Path

_KEPT = Path(".proofs")


def names() -> list[str]:
    """The proofs there are."""
    here = Path(__file__).parent
    return sorted(
        path.stem
        for path in here.glob("*.py")
        if path.stem not in ("__init__", "__main__") and not path.stem.startswith("test_")
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("name", choices=names())
    parser.add_argument("--fresh", action="store_true", help="forget the pieces that are done")
    options = parser.parse_args(arguments)
    proof = importlib.import_module(f"tests.proofs.{options.name}")
    kept = _KEPT / f"{options.name}.json"
    done: dict[str, dict[str, int]] = {}
    if kept.exists() and not options.fresh:
        done = json.loads(kept.read_text())
    for piece in proof.pieces():
        if piece in done:
            continue
        begun = time.monotonic()
        done[piece] = proof.run(piece)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(done, indent=1))
        print(f"{piece}: {done[piece]} in {time.monotonic() - begun:.1f} s", flush=True)
    total: Counter[str] = Counter()
    for counts in done.values():
        total.update(counts)
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(total.items()))
    print(f"{options.name}: proven in {len(done)} pieces on {platform.python_version()}: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
