"""The command `busway audit verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from busway_audit._commands.options import (
    Command,
    Findings,
    key_option,
    keyring,
    path_argument,
    refusing,
)
from busway_audit._commands.progress import Progress
from busway_audit.checkpoint import read_checkpoints
from busway_audit.exceptions import TrailError
from busway_audit.verification import verify

if TYPE_CHECKING:
    from busway_audit.findings import Finding
    from busway_audit.verification import Verification

__all__ = ["verify_command"]

_LISTED: Final = 1_000


@click.command("verify", cls=Command)
@path_argument
@key_option
@click.option(
    "--against",
    "checkpoints",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Checkpoints that the trail must contain, one a line.",
)
@click.option(
    "--public-key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file of the key that must have signed these.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def verify_command(
    path: Path,
    key_files: tuple[Path, ...],
    checkpoints: tuple[Path, ...],
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Follow a trail's chains, and tell where they break.

    PATH is a trail's directory, or one of its files; "audit", unless it is given. What does not
    hold is named on stderr; the first bad seq is printed, and last the count of events that hold.

    Exit code: 0 it is whole; 1 it was tampered with; 2 nothing but its last batch is torn, by a
    crash, or because it is being written; 3 it cannot be read.
    """
    listed: list[Finding] = []
    told = Findings()

    def report(finding: Finding) -> None:
        if not as_json:
            told(finding)
        elif len(listed) < _LISTED:
            listed.append(finding)

    with refusing():
        if public_key is not None and not checkpoints:
            raise TrailError("--public-key: give the checkpoints that it signed by --against")
        signer = None if public_key is None else public_key.read_bytes()
        against = [one for file in checkpoints for one in read_checkpoints(file, signer)]
        keys = keyring(key_files).values()
        with Progress() as progress:
            found = verify(path, report, keys=keys, against=against, progress=progress)
        told.tell_rest()
        click.echo(_as_json(found, listed) if as_json else _as_text(found))
    raise SystemExit(1 if found.tampered else 2 if found.torn else 0)


def _as_text(found: Verification) -> str:
    told = []
    if found.recovered:
        told.append(f"torn batches cut off by the writer: {found.recovered}")
    if found.dropped:
        told.append(f"events dropped by the writer: {found.dropped}")
    if found.first is not None:
        told.append(f"first bad seq: {found.first.seq}")
    told.append(f"events in {found.files} file{'' if found.files == 1 else 's'}:")
    return "\n".join([*told, str(found.events)])


def _as_json(found: Verification, listed: list[Finding]) -> str:
    told = {
        "events": found.events,
        "files": found.files,
        "tampered": found.tampered,
        "torn": found.torn,
        "recovered": found.recovered,
        "dropped": found.dropped,
        "first_bad_seq": None if found.first is None else found.first.seq,
        "heads": msgspec.to_builtins(found.heads),
        "errors": [{**asdict(one), "file": str(one.file)} for one in listed],
    }
    return json.dumps(told)
