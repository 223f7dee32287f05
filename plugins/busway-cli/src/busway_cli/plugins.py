"""`busway plugins`: every plugin that is installed, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from busway import EventBus
from busway_cli._answer import answer, answer_json, keep_stdout_clean
from busway_cli._facts import facts_of
from busway_cli._loading import load
from busway_cli._logs import logs_on_stderr
from busway_cli._pages import list_page, plugin_page
from busway_cli._streams import Refusal, tell
from busway_cli._trial import Trial, told_by_the_answer

if TYPE_CHECKING:
    from busway_cli._facts import Facts

__all__ = ["plugins"]

_start = click.option(
    "--start", is_flag=True, help="Start each handler too, and stop it again, as a run would."
)
_start_timeout = click.option(
    "--start-timeout",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long --start waits for a handler.",
)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")
@click.option("--check", is_flag=True, help="Exit with 1 if an enabled plugin is not active.")
@_start
@_start_timeout
@click.pass_context
def plugins(
    ctx: click.Context, as_json: bool, check: bool, start: bool, start_timeout: float
) -> None:
    """List the installed plugins: what they bring, their state, and the reason for it.

    Each is imported and built, as for a run. None is started without --start, since starting
    has effects: what a handler opens, writes or connects to then, it does.

    Exit code: 0, broken plugins or not; with --check 1 if one that is enabled is not active, or
    does not stop well; 2 if the settings cannot be read, or BUSWAY_STRICT=1 is set and a plugin
    is broken.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return
    found, lost = _look(start_timeout if start else None)
    if as_json:
        answer_json([one.to_dict() for one in found])
    else:
        answer(*list_page(found))
    broken = [f"{one.name} ({one.state})" for one in found if one.is_broken]
    if check and broken:
        tell(f"not active: {', '.join(broken)}")
    ctx.exit(1 if check and (broken or lost) else 0)


@plugins.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_start
@_start_timeout
def show(name: str, as_json: bool, start: bool, start_timeout: float) -> None:
    """Show one plugin: its settings and defaults, and the traceback of a failure.

    Exit code: 0, broken or not; 2 if no plugin of that name is installed, or as `busway plugins`.
    """
    found, _ = _look(start_timeout if start else None)
    named = [one for one in found if one.name == name]
    if not named:
        there = ", ".join(dict.fromkeys(one.name for one in found)) or "none"
        raise Refusal(f"no plugin {name!r} is installed; there are: {there}")
    shown, *rivals = sorted(named, key=lambda one: one.state != "active")
    others = [f"{one.distribution} {one.version}" for one in rivals]
    if as_json:
        answer_json({**shown.to_dict(), "rivals": others})
    else:
        answer(*plugin_page(shown, others))


def _look(start_timeout: float | None) -> tuple[list[Facts], int]:
    """All plugins, sorted by name; and how many handlers did not stop well.

    Args:
        start_timeout: how long a handler may take to start; None if none is to be started.
    """
    bus = EventBus() if start_timeout is None else EventBus(start_timeout=start_timeout)
    with keep_stdout_clean(wanted=True), logs_on_stderr() as log:
        with told_by_the_answer(log):
            report = load(bus)
        found = [facts_of(row, bus) for row in report]
        if start_timeout is not None:
            trial = Trial(bus, log)
            trial.run()
            found = [one.after(*trial.failure(row)) for one, row in zip(found, report, strict=True)]
    return sorted(found, key=lambda one: (one.name, one.distribution)), log.lost


def _refuse_options(ctx: click.Context) -> None:
    for name in ctx.params:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"Options go after '{ctx.invoked_subcommand}'.", ctx)
