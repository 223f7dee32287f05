"""The command `busway outbox`."""

from __future__ import annotations

import click

from busway_outbox._commands.change import discard_command, purge_command, retry_command
from busway_outbox._commands.read import list_command, status_command

__all__ = ["outbox"]


@click.group()
def outbox() -> None:
    """Look at what is not delivered yet, and decide what is to become of it."""


for _command in (status_command, list_command, retry_command, discard_command, purge_command):
    outbox.add_command(_command)
