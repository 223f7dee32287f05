"""Coverage-guided fuzzing of the audit trail: `python -m tests.fuzz TARGET [libFuzzer options]`.

    uv run --isolated --all-packages --with-requirements tests/fuzz/requirements.txt \
        python -m tests.fuzz verifier -max_total_time=600

A target is a module beside this one with `check(data: bytes)`, which raises if anything is wrong.
libFuzzer stops at the first such input, keeps it in a file `crash-…`, and tells of one that takes
too long or too much memory as well.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> None:
    import atheris

    targets = sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if path.stem[0] != "_"
    )
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        raise SystemExit(f"usage: python -m tests.fuzz {'|'.join(targets)} [libFuzzer options]")
    with atheris.instrument_imports(include=["busway_audit"]):
        check = importlib.import_module(f"tests.fuzz.{sys.argv[1]}").check
    options = ("-timeout=20", "-rss_limit_mb=4096", "-max_len=600", "-len_control=0")
    atheris.Setup([sys.argv[0], *options, *sys.argv[2:]], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
