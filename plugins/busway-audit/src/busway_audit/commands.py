"""The command `busway audit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from busway_audit.verification import BadLine, verify

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Read the audit trail."""


@audit.command("verify")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def verify_command(path: Path, as_json: bool) -> None:
    """Check that every line of PATH is whole and readable, and count the records.

    PATH is a file, or a directory of *.jsonl files. Each bad line is named on stderr; the count
    is printed last. Exit code: 0 all well, 1 a line is bad, 2 PATH cannot be read.
    """
    errors: list[BadLine] = []
    report = errors.append if as_json else _name
    try:
        found = verify(path, report)
    except OSError as error:
        _refuse(path, error)
    if as_json:
        bad = [{"file": str(e.file), "line": e.line, "reason": e.reason} for e in errors]
        click.echo(json.dumps({"records": found.records, "files": found.files, "errors": bad}))
    else:
        click.echo(f"records in {found.files} {'file' if found.files == 1 else 'files'}:")
        click.echo(found.records)
    raise SystemExit(1 if found.bad else 0)


def _name(bad: BadLine) -> None:
    file = click.format_filename(bad.file)
    click.echo(f"{file}:{bad.line}: {bad.reason}", err=True)


def _refuse(path: Path, error: OSError) -> NoReturn:
    unreadable = click.format_filename(error.filename or path)
    click.echo(f"Error: {unreadable} cannot be read: {error.strerror}", err=True)
    raise SystemExit(2) from error
