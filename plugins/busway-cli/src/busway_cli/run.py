"""`busway run`: publish events from a file or a pipe, with all plugins, and report."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from busway_cli._answer import answer, answer_json, keep_stdout_clean
from busway_cli._destination import Destination
from busway_cli._logs import logs_on_stderr
from busway_cli._opening import opened
from busway_cli._progress import ProgressBar
from busway_cli._publishing import Publishing
from busway_cli._rejects import rejects_in
from busway_cli._report import Report
from busway_cli._running import counts_of, exit_code, prepare, run_session
from busway_cli._session import Session
from busway_cli._tally import Tally

if TYPE_CHECKING:
    from busway import EventBus
    from busway_cli._input import Input

__all__ = ["run"]


@click.command()
@click.argument("file", default="-", metavar="[FILE|-]")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--rejects", metavar="FILE", help="Keep the lines that are no events in this file.")
@click.option("--to", "url", metavar="URL", help="Send the events there, and to no handler here.")
@click.option("-v", "--verbose", is_flag=True, help="Show the tracebacks of failures.")
@click.pass_context
def run(
    ctx: click.Context,
    file: str,
    as_json: bool,
    rejects: str | None,
    url: str | None,
    verbose: bool,
) -> None:
    """Publish events in order, with all installed plugins, drain, and report.

    Reads one JSON object a line, as Event.to_dict() has it, from FILE or standard input. FILE may
    be an audit trail, or a part of one: its directory, or a file.

    With --to, a broker gets the events (redis://localhost?subject=orders), as middleware leaves
    them; the first that it does not acknowledge is the last that is sent.

    Exit code: 0 all well; 1 a line was rejected or a handler failed; 2 it could not run;
    130 or 143 after SIGINT or SIGTERM, which stop reading, drain and report. A second one hurries.
    """
    with ExitStack() as stack:
        source = stack.enter_context(opened(file))
        stack.enter_context(keep_stdout_clean(wanted=as_json))
        log = stack.enter_context(logs_on_stderr(verbose=verbose))
        tally = Tally()
        bus = prepare(tally)
        destination = None if url is None else _send_all(bus, url, tally)
        kept = stack.enter_context(rejects_in(rejects, source))
        progress = stack.enter_context(_progress(source))
        publishing = Publishing(
            bus, source, rejects=kept, progress=progress, tally=tally, told=log.repeats
        )
        if destination is not None:
            destination.on_failure = publishing.stop
        session = Session(bus, publishing)
        run_session(session, log)
    report = Report(**counts_of(bus, publishing, session, tally, log.lost))
    if as_json:
        answer_json(report.to_dict())
    else:
        answer(*report.tables())
    ctx.exit(exit_code(session, publishing, report))


def _send_all(bus: EventBus, url: str, tally: Tally) -> Destination:
    """Put a destination in the place of all handlers."""
    destination = Destination(url)
    for handler in bus.handlers:
        bus.unsubscribe(handler)
        tally.forget(handler)
    bus.subscribe(destination)
    return destination


def _progress(source: Input) -> ProgressBar:
    typed = sys.stdin is not None and source.descriptor == 0 and sys.stdin.isatty()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return ProgressBar(source.size, shown=terminal and not typed)
