"""The command `busway outbox`."""

from __future__ import annotations

import click

__all__ = ["outbox"]


@click.group()
def outbox() -> None:
    """Look at what is not delivered yet, and decide what is to become of it."""
