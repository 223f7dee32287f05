"""One contender of one workload, measured by pyperf in a process of its own; see `rounds`."""

from __future__ import annotations

import pyperf
from tests.benchmarks.timing import LOOPS, stopwatch
from tests.benchmarks.workloads import WORKLOADS, find


def main() -> None:
    runner = pyperf.Runner()
    parser = runner.argparser
    parser.add_argument("workload", choices=[one.name for one in WORKLOADS])
    parser.add_argument("contender")
    parser.add_argument("loop", choices=LOOPS)
    options = runner.parse_args()
    workload = find(options.workload)
    contender = workload.contender(options.contender)
    with stopwatch(workload, contender, options.loop) as elapsed:
        runner.bench_time_func(
            workload.bench_name(contender.name), elapsed, inner_loops=workload.operations
        )


if __name__ == "__main__":
    main()
