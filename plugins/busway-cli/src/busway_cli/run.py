"""`busway run`: publish events from a file or a pipe, with all plugins, and report."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from busway import EventBus
from busway_cli._answer import answer, answer_json, keep_stdout_clean
from busway_cli._loading import load
from busway_cli._logs import logs_on_stderr
from busway_cli._opening import opened
from busway_cli._progress import ProgressBar
from busway_cli._publishing import Publishing
from busway_cli._rejects import rejects_in
from busway_cli._report import Report
from busway_cli._session import Session
from busway_cli._streams import describe, tell
from busway_cli._tally import Tally

if TYPE_CHECKING:
    from busway_cli._input import Input
    from busway_cli._logs import StderrLog

__all__ = ["run"]


@click.command()
@click.argument("file", default="-", metavar="[FILE|-]")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--rejects", metavar="FILE", help="Keep the lines that are no events in this file.")
@click.option("-v", "--verbose", is_flag=True, help="Show the tracebacks of failures.")
@click.pass_context
def run(
    ctx: click.Context,
    file: str,
    as_json: bool,
    rejects: str | None,
    verbose: bool,
) -> None:
    """Publish events in order, with all installed plugins, drain, and report.

    Reads one JSON object a line, as Event.to_dict() has it, from FILE or standard input. FILE may
    be an audit trail, or a part of one: its directory, or a file.

    Exit code: 0 all well; 1 a line was rejected or a handler failed; 2 it could not run;
    130 or 143 after SIGINT or SIGTERM, which stop reading, drain and report. A second one hurries.
    """
    with ExitStack() as stack:
        source = stack.enter_context(opened(file))
        stack.enter_context(keep_stdout_clean(wanted=as_json))
        log = stack.enter_context(logs_on_stderr(verbose=verbose))
        tally = Tally()
        bus = _prepare(tally)
        kept = stack.enter_context(rejects_in(rejects, source))
        progress = stack.enter_context(_progress(source))
        publishing = Publishing(
            bus, source, rejects=kept, progress=progress, tally=tally, told=log.repeats
        )
        session = Session(bus, publishing)
        _run(session, log)
    report = _report(bus, publishing, session, tally, log.lost)
    if as_json:
        answer_json(report.to_dict())
    else:
        answer(*report.tables())
    ctx.exit(_exit_code(session, publishing, report))


def _prepare(tally: Tally) -> EventBus:
    """The shared bus with all plugins; the tally outermost of interceptors, last of middleware."""
    bus = EventBus.get_instance()
    bus.add_interceptor(tally.count_outcomes)
    load(bus)
    bus.add_middleware(tally.count_event)
    gc.freeze()  # what was loaded stays to the end: the collector need not look at it again
    return bus


def _progress(source: Input) -> ProgressBar:
    typed = sys.stdin is not None and source.descriptor == 0 and sys.stdin.isatty()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return ProgressBar(source.size, shown=terminal and not typed)


def _run(session: Session, log: StderrLog) -> None:
    try:
        asyncio.run(session.run())
    except SystemExit as error:  # of a task that a plugin started; the loop lets it through
        log.lost += 1
        tell(f"a plugin ended the run: {describe(error)}")


def _report(
    bus: EventBus, publishing: Publishing, session: Session, tally: Tally, lost: int
) -> Report:
    outcomes = tally.outcomes(bus.handlers)
    return Report(
        read=publishing.read,
        rejected=publishing.rejected,
        published=publishing.published,
        nested=tally.dispatched - publishing.published,
        blocked=publishing.blocked,
        failed=publishing.failed + lost + sum(one.failed for one in outcomes.values()),
        events={str(type_): number for type_, number in tally.events.items()},
        handlers={name: one.to_dict() for name, one in outcomes.items()},
        health={**session.refused, **bus.health()},
        seconds=round(session.seconds, 6),
    )


def _exit_code(session: Session, publishing: Publishing, report: Report) -> int:
    if session.signal is not None:
        return 128 + session.signal
    if publishing.broken_off:
        return 2
    return 0 if report.well else 1
