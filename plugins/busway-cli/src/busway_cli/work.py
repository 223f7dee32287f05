"""`busway work`: run the installed plugins on events from a broker, and report."""

from __future__ import annotations

from contextlib import ExitStack

import click

from busway_cli._answer import answer, answer_json, keep_stdout_clean
from busway_cli._logs import logs_on_stderr
from busway_cli._report import WorkReport
from busway_cli._running import counts_of, exit_code, prepare, run_session
from busway_cli._session import Session
from busway_cli._tally import Tally
from busway_cli._working import Working

__all__ = ["work"]


@click.command()
@click.option("--from", "url", required=True, metavar="URL", help="Where the events come from.")
@click.option("--group", metavar="NAME", help="Share them with all workers of this group.")
@click.option(
    "--idle-exit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop when nothing has come for so long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("-v", "--verbose", is_flag=True, help="Show the tracebacks of failures.")
@click.pass_context
def work(
    ctx: click.Context,
    url: str,
    group: str | None,
    idle_exit: float | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Publish events from a broker, with all installed plugins, until stopped, and report.

    URL is that of the broker; its query says which subject: redis://localhost?subject=orders.
    An event is acknowledged when all its handlers ended well; else it comes again.

    Exit code: 0 all well; 1 a message was no event or a handler failed; 2 it could not run;
    130 or 143 after SIGINT or SIGTERM, which stop receiving, drain and report. A second one
    hurries.
    """
    with ExitStack() as stack:
        stack.enter_context(keep_stdout_clean(wanted=as_json))
        log = stack.enter_context(logs_on_stderr(verbose=verbose))
        tally = Tally()
        bus = prepare(tally)
        working = Working(bus, url, group=group, idle_exit=idle_exit, tally=tally, told=log.repeats)
        session = Session(bus, working)
        run_session(session, log)
    counts = counts_of(bus, working, session, tally, log.lost)
    report = WorkReport(**counts, duplicates=working.duplicates)
    if as_json:
        answer_json(report.to_dict())
    else:
        answer(*report.tables())
    ctx.exit(exit_code(session, working, report))
