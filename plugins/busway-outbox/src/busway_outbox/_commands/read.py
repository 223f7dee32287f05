"""The commands that look: `busway outbox status` and `busway outbox list`."""

from __future__ import annotations

import json
from typing import cast, get_args

import click

from busway_outbox._commands.options import (
    handler_option,
    handlers_like,
    json_option,
    opened,
    printable,
    shown,
    url_option,
)
from busway_outbox._store import statements
from busway_outbox._store.rows import Listed, State

__all__ = ["list_command", "status_command"]

_STATES = get_args(State)
_MOST = 2**31 - 1  # of what a database takes for a limit


@click.command("status")
@url_option
@json_option
def status_command(url: str | None, as_json: bool) -> None:
    """Count the rows, by state, and tell how old the oldest of each is.

    Exit code: 0; 2 the outbox cannot be read.
    """
    with opened(url) as outbox:
        rows = outbox.all(outbox.dialect.sql(statements.STATES))
    found = {str(row[0]): (cast("int", row[1]), cast("float", row[2])) for row in rows}
    told = {state: found.get(state, (0, 0.0)) for state in _STATES}
    if as_json:
        counts = {
            state: {"rows": rows, "oldest_seconds": round(age, 3)}
            for state, (rows, age) in told.items()
        }
        click.echo(json.dumps(counts))
        return
    for state, (count, age) in told.items():
        oldest = f"  oldest {shown(age)}" if count else ""
        click.echo(f"{state:8} {count:9,}{oldest}")


@click.command("list")
@url_option
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    help="Only rows in this state; all but done, if none is given.",
)
@handler_option
@click.option("--limit", default=100, type=click.IntRange(1, _MOST), help="At most so many; 100.")
@json_option
def list_command(
    url: str | None, states: tuple[str, ...], handler: str, limit: int, as_json: bool
) -> None:
    """List rows, the oldest first: each is an event and the handler it is for.

    Exit code: 0; 2 the outbox cannot be read.
    """
    wanted = states or tuple(state for state in _STATES if state != "done")
    with opened(url) as outbox:
        parameters = (outbox.list_of(wanted), handlers_like(outbox, handler), limit)
        rows = outbox.all(outbox.dialect.sql(statements.LIST), parameters)
    for row in rows:
        one = Listed(*cast("tuple[int, str, str, str, State, int, float, float, str]", row))
        click.echo(json.dumps(one._asdict()) if as_json else _line(one))


def _line(row: Listed) -> str:
    handler = "(to be published)" if row.handler == "*" else row.handler
    due = f"  due in {shown(row.due)}" if row.state == "failed" and row.due > 0 else ""
    tried = f"  attempts {row.attempts}" if row.attempts else ""
    told = f"  {row.error}" if row.error else ""
    return printable(
        f"{row.seq:6}  {row.state:7}  {shown(row.age):>4}  {row.type}  {row.event_id}  {handler}"
        f"{tried}{due}{told}"
    )
