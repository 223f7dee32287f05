"""The command `busway audit`."""

from __future__ import annotations

import click

from busway_audit._commands.read import export_command, tail_command
from busway_audit._commands.seal import checkpoint_command, keygen_command
from busway_audit._commands.verify import verify_command

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Verify, read and seal the audit trail."""


for _command in (checkpoint_command, export_command, keygen_command, tail_command, verify_command):
    audit.add_command(_command)
