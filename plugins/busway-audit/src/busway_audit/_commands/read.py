"""The commands `busway audit tail` and `busway audit export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn

import click

from busway_audit._commands.options import (
    Command,
    Findings,
    key_option,
    keyring,
    path_argument,
    refusing,
    since_option,
    type_option,
)
from busway_audit._commands.output import binary_stdout, show, wait
from busway_audit._reading.events import Wanted, events_of
from busway_audit._reading.export import write_csv, write_jsonl
from busway_audit._reading.tail import tail
from busway_audit._reading.trail import header_of, single, slots_of
from busway_audit.exceptions import TrailError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from busway_audit._reading.trail import SegmentFile
    from busway_audit._reading.walk import Entry

__all__ = ["export_command", "tail_command"]

_POLL: Final = 0.25  # seconds
_LAST: Final = 10
_FORMATS: Final[dict[str, Callable[[Iterable[Entry], BinaryIO], None]]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
}


@click.command("tail", cls=Command)
@path_argument
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until interrupted.")
@click.option(
    "-n", "--lines", type=click.IntRange(0), help="At most so many; 10, or with --since all."
)
@type_option
@since_option
@key_option
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are in the trail.")
def tail_command(
    path: Path,
    follow: bool,
    lines: int | None,
    types: tuple[str, ...],
    since: datetime | None,
    key_files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Print the last events, and follow what is added.

    PATH is a trail's directory; "audit", unless it is given. Events of all slots are printed, in
    the order of their recording, once their batch is finished. What does not hold is named on
    stderr, and not printed.

    Exit code: 0; 1 something was tampered with; 3 it cannot be read.
    """
    wanted = Wanted(types, since)
    count = _LAST if lines is None and since is None else lines
    told = Findings()
    with refusing():
        keys = keyring(key_files)
        _look(slots_of(path), path, keys, empty=follow)
        entries, rest = tail(path, wanted, count, keys, told)
        show(entries, as_json=as_json)
        while follow:
            wait(_POLL)
            show(filter(wanted, rest.poll()), as_json=as_json)
    _leave(told)


@click.command("export", cls=Command)
@path_argument
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="jsonl")
@type_option
@since_option
@key_option
def export_command(
    path: Path,
    form: str,
    types: tuple[str, ...],
    since: datetime | None,
    key_files: tuple[Path, ...],
) -> None:
    """Print all events, as JSON Lines or as CSV.

    PATH is a trail's directory, or one of its files; "audit", unless it is given. Events of all
    slots are printed, in the order of their recording, if their batch was finished. jsonl: the
    lines as they are in the trail. csv: rows that are safe to open in a spreadsheet. What does not
    hold is named on stderr, and not printed.

    Exit code: 0; 1 something was tampered with; 3 it cannot be read.
    """
    told = Findings()
    with refusing():
        keys = keyring(key_files)
        slots = slots_of(path) if path.is_dir() else {0: [single(path)]}
        _look(slots, path, keys)
        entries = filter(Wanted(types, since), events_of(slots, keys, told))
        _FORMATS[form](entries, binary_stdout())
    _leave(told)


def _look(
    slots: Mapping[int, list[SegmentFile]],
    path: Path,
    keys: Mapping[str, bytes],
    *,
    empty: bool = False,
) -> None:
    """See that there is a trail, or that there may be none yet; tell what is not checked."""
    if not slots and not empty:
        raise TrailError(f"{path} holds no audit trail")
    headers = [header_of(segments[-1]) for segments in slots.values()]
    if not keys and any(one is not None and one.key_id for one in headers):
        click.echo("it is sealed: what it says is checked only with --key", err=True)


def _leave(told: Findings) -> NoReturn:
    told.tell_rest()
    raise SystemExit(1 if told.tampered else 0)
