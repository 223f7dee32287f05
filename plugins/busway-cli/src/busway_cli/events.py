"""`busway events`: every type of event, and who handles it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from busway import EventBus
from busway.events import event_types
from busway_cli._answer import answer, answer_json, answer_text, keep_stdout_clean, table
from busway_cli._graph import graph_of
from busway_cli._loading import load
from busway_cli._logs import logs_on_stderr
from busway_cli._mermaid import flowchart
from busway_cli._paths import path_of
from busway_cli._seen import count_types
from busway_cli._tally import named

if TYPE_CHECKING:
    from busway import PluginReport

__all__ = ["events"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--graph", is_flag=True, help="Print which way events go, as a flowchart in Mermaid.")
@click.option(
    "--seen",
    type=click.File("rb"),
    metavar="FILE",
    help="Count events of this file in the graph, and mark the handlers that none of them reaches.",
)
@click.pass_context
def events(ctx: click.Context, as_json: bool, graph: bool, seen: IO[bytes] | None) -> None:
    """List the types of event, those of plugins too, who handles them, and which nobody does.

    With --graph: publish, the middleware in its order, the types, and the handlers, as Mermaid
    or with --json as nodes and edges. Types that nobody handles are marked, and handlers never
    called: those of plugins that are not active, and with --seen those that none of the events
    in FILE reaches. FILE holds one a line, as for busway run; an audit trail will do.

    Exit code: 0; 2 if the settings or FILE cannot be read, or BUSWAY_STRICT=1 is set and a
    plugin is broken.
    """
    if seen is not None and not graph:
        raise click.UsageError("--seen goes with --graph.", ctx)
    with keep_stdout_clean(wanted=True), logs_on_stderr():
        bus = EventBus.get_instance()
        report = load(bus)
    if graph:
        _show_graph(bus, report, seen, as_json=as_json)
    else:
        _show_types(bus, as_json=as_json)


def _show_graph(
    bus: EventBus, report: PluginReport, seen: IO[bytes] | None, *, as_json: bool
) -> None:
    drawn = graph_of(bus, report, None if seen is None else count_types(seen))
    if as_json:
        answer_json(drawn.to_dict())
    else:
        answer_text(flowchart(drawn))


def _show_types(bus: EventBus, *, as_json: bool) -> None:
    types = list(event_types().values())
    names = {id(handler): name for name, handler in named(bus.handlers).items()}
    handled = {type_: [names[id(one)] for one in bus.handlers_for(type_)] for type_ in types}
    if as_json:
        answer_json(
            [
                {"type": type_.value, "enum": path_of(type(type_)), "handlers": handled[type_]}
                for type_ in types
            ]
        )
        return
    rows = [
        (type_.value, path_of(type(type_)), ", ".join(handled[type_]) or "nobody")
        for type_ in types
    ]
    answer(table("type", "enum", "handlers", rows=rows))
    nobody = [type_.value for type_ in types if not handled[type_]]
    if nobody:
        answer("", f"handled by nobody: {', '.join(nobody)}")
