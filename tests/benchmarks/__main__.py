"""Compare Busway with what one would use otherwise: `python -m tests.benchmarks [NAME ...]`.

A name is that of a workload, `memory` or `imports`; without any, all are run. Tables go to the
standard output, progress to the standard error. The figures are a report: the exit status is 0
whatever they are, unless `--check` is given.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks.goals import judge
from tests.benchmarks.report import text
from tests.benchmarks.run import FAST, FULL, Run
from tests.benchmarks.timing import LOOPS
from tests.benchmarks.workloads import WORKLOADS, find

_NAMES = [*(one.name for one in WORKLOADS), "memory", "imports"]


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    names = options.names or _NAMES
    run = Run(options.loop, FAST if options.fast else FULL, arguments, _tell)
    for name in _NAMES:
        if name not in names:
            continue
        if name in ("memory", "imports"):
            getattr(run, name)()
        else:
            run.workload(find(name))
    _tell("")
    print(text(run.results))
    if options.json:
        run.results.dump(options.json)
    if options.chart:
        from tests.benchmarks.chart import draw  # it needs matplotlib, and nothing else here does

        draw(run.results, options.chart)
    missed = any(verdict.word == "missed" for verdict in judge(run.results))
    return 1 if options.check and missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", type=_name, metavar="NAME", help=", ".join(_NAMES))
    parser.add_argument("--loop", choices=LOOPS, default="asyncio", help="which event loop")
    parser.add_argument(
        "--fast", action="store_true", help="rough figures, in a quarter of the time"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw an SVG")
    parser.add_argument("--check", action="store_true", help="end with 1 if a goal was missed")
    return parser


def _name(text: str) -> str:
    if text not in _NAMES:
        raise argparse.ArgumentTypeError(f"no such workload: {text}; there are {', '.join(_NAMES)}")
    return text


def _tell(what: str) -> None:
    """Progress, on one line of a terminal; elsewhere in silence."""
    if sys.stderr.isatty():
        print(f"\r{what[:100]:<100}", end="" if what else "\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
