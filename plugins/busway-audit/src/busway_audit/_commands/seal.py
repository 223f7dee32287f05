"""The commands `busway audit keygen` and `busway audit checkpoint`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from busway_audit._commands.options import (
    Command,
    Findings,
    key_option,
    keyring,
    path_argument,
    refusing,
)
from busway_audit._commands.progress import Progress
from busway_audit.checkpoint import Checkpoint
from busway_audit.keys import create_key, create_pair
from busway_audit.verification import verify

__all__ = ["checkpoint_command", "keygen_command"]


@click.command("keygen", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--sign", is_flag=True, help="A pair that signs checkpoints, the public one in FILE.pub."
)
def keygen_command(file: Path, sign: bool) -> None:
    """Create a key, in a new file.

    Only its owner can read FILE. It is the secret that seals a trail: `key = {file = "FILE"}` in
    [plugins.audit].

    Exit code: 0; 3 it cannot be created: whatever has that name is left as it is.
    """
    with refusing():
        if sign:
            click.echo(f"private: {file}\npublic: {create_pair(file)}")
        else:
            create_key(file)
            click.echo(file)


@click.command("checkpoint", cls=Command)
@path_argument
@key_option
@click.option(
    "--sign",
    "private_key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file of the private key that signs it.",
)
def checkpoint_command(path: Path, key_files: tuple[Path, ...], private_key: Path | None) -> None:
    """Verify a trail, and print where its chains end.

    PATH is a trail's directory; "audit", unless it is given. The line that is printed is to be
    stored elsewhere: `busway audit verify --against` holds the trail to it later.

    Exit code: 0; 1 the trail was tampered with, and nothing is printed; 3 it cannot be read.
    """
    told = Findings()
    with refusing(), Progress() as progress:
        signer = None if private_key is None else private_key.read_bytes()
        found = verify(path, told, keys=keyring(key_files).values(), progress=progress)
        if not found.tampered:
            made = Checkpoint(heads=found.heads, made_at=datetime.now(UTC))
            click.echo(made.to_line(signer))
    told.tell_rest()
    raise SystemExit(1 if found.tampered else 0)
