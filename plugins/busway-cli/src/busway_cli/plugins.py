"""`busway plugins`: every plugin that is installed, and what became of it."""

from __future__ import annotations

from typing import Final

import click

from busway import EventBus
from busway_cli._answer import answer, answer_json, keep_stdout_clean, table
from busway_cli._loading import load
from busway_cli._logs import logs_on_stderr

__all__ = ["plugins"]

_KEYS: Final = ("name", "kind", "distribution", "version", "state", "reason")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")
def plugins(as_json: bool) -> None:
    """List the installed plugins: what they bring, their state, and the reason for it.

    Each is imported and built, as for a run, but none is started.

    Exit code: 0, broken plugins or not; 2 if the settings cannot be read, or BUSWAY_STRICT=1 is
    set and a plugin is broken.
    """
    with keep_stdout_clean(wanted=as_json), logs_on_stderr():
        report = load(EventBus())
    rows = [{key: str(getattr(row, key)) for key in _KEYS} for row in report]
    if as_json:
        answer_json(rows)
    elif rows:
        answer(table(*_KEYS, rows=[list(row.values()) for row in rows]))
    else:
        answer("no plugin is installed")
