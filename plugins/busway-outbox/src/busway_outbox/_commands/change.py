"""The commands that decide: `busway outbox retry`, `discard` and `purge`."""

from __future__ import annotations

import json
from typing import cast

import click

from busway_outbox._commands.options import (
    all_option,
    handler_option,
    handlers_like,
    json_option,
    opened,
    seconds,
    seqs_argument,
    url_option,
)
from busway_outbox._store import statements

__all__ = ["discard_command", "purge_command", "retry_command"]

_AT_ONCE = 1_000


@click.command("retry")
@seqs_argument
@all_option
@handler_option
@url_option
@json_option
def retry_command(
    seqs: tuple[int, ...], every: bool, handler: str, url: str | None, as_json: bool
) -> None:
    """Have rows that are dead or have failed tried again now, with all their attempts.

    SEQ is the number that `busway outbox list` shows first.

    Exit code: 0; 1 a SEQ is of no row that could be; 2 the outbox cannot be written to.
    """
    _change(statements.RETRY, "retried", seqs, every, handler, url, as_json)


@click.command("discard")
@seqs_argument
@all_option
@handler_option
@url_option
@json_option
def discard_command(
    seqs: tuple[int, ...], every: bool, handler: str, url: str | None, as_json: bool
) -> None:
    """Delete rows that are pending, failed or dead: their events are never delivered.

    SEQ is the number that `busway outbox list` shows first.

    Exit code: 0; 1 a SEQ is of no row that could be; 2 the outbox cannot be written to.
    """
    _change(statements.DISCARD, "discarded", seqs, every, handler, url, as_json)


@click.command("purge")
@click.option(
    "--state",
    type=click.Choice(["done", "dead"]),
    default="done",
    help="Which rows: done, unless dead is given.",
)
@click.option(
    "--older",
    metavar="SPAN",
    default="0s",
    callback=seconds,
    help="Only those that are over for so long: 90s, 15m, 2h, 7d.",
)
@url_option
@json_option
def purge_command(state: str, older: float, url: str | None, as_json: bool) -> None:
    """Delete rows that are over.

    An event whose row is gone is handled again if it is published again.

    Exit code: 0; 2 the outbox cannot be written to.
    """
    purged, last = 0, _AT_ONCE
    while last == _AT_ONCE:
        with opened(url) as outbox:  # a transaction each, so that nobody waits for long
            sql = outbox.dialect.sql(statements.PURGE)
            last = len(outbox.all(sql, (state, older, _AT_ONCE)))
        purged += last
    _tell("purged", purged, as_json)


def _change(
    statement: str,
    what: str,
    seqs: tuple[int, ...],
    every: bool,
    handler: str,
    url: str | None,
    as_json: bool,
) -> None:
    if not seqs and not every and handler == "*":
        raise click.UsageError("say which: some SEQ, --handler, or --all")
    if seqs and every:
        raise click.UsageError("--all and SEQ exclude each other")
    with opened(url) as outbox:
        parameters = (0 if seqs else 1, outbox.list_of(seqs), handlers_like(outbox, handler))
        rows = outbox.all(outbox.dialect.sql(statement), parameters)
    changed = {cast("int", row[0]) for row in rows}
    _tell(what, len(changed), as_json)
    left = sorted(set(seqs) - changed)
    if left:
        click.echo(f"no row for that: {', '.join(map(str, left))}", err=True)
        raise SystemExit(1)


def _tell(what: str, rows: int, as_json: bool) -> None:
    click.echo(json.dumps({what: rows}) if as_json else f"{rows:,} {what}")
