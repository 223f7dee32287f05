"""The streams: one line on stderr for whatever is not the answer; readers may go at any time."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import suppress
from typing import Final, TextIO

import click

__all__ = ["Refusal", "Repeats", "describe", "flush", "printable", "silence", "tell"]

_LONGEST: Final = 500  # characters: a line names what is wrong, it does not repeat all of it
_MOST_REPEATS: Final = 5


class Refusal(click.ClickException):
    """The command could not run."""

    exit_code = 2


def printable(text: str) -> str:
    """A text as one line that no terminal takes for commands."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def describe(error: BaseException) -> str:
    """`Type: message` of an exception, even of one whose `__str__` raises."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a stranger's exception
        message = "(its message cannot be shown)"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def tell(message: str, details: str = "") -> None:
    """Write one line to stderr, and details as they are below it; if nobody reads it, so be it."""
    if sys.stderr is None:  # closed by who started us
        return
    if len(message) > _LONGEST:
        message = message[:_LONGEST] + "…"
    try:
        sys.stderr.write(f"busway: {printable(message)}\n{details}")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


class Repeats:
    """Tells of a thing five times, and at the end how often it happened beyond that."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()

    def tell(self, what: str, message: str, details: str = "") -> None:
        """Tell it, unless it was told often enough.

        Args:
            what: what counts as the same thing; how the end names it.
            message: this time's message.
            details: this time's traceback, if it is wanted.
        """
        self._told[what] += 1
        if self._told[what] <= _MOST_REPEATS:
            tell(message, details)

    def tell_rest(self) -> None:
        """Say what was not told."""
        for what, times in self._told.items():
            if times > _MOST_REPEATS:
                tell(f"{what}: {times - _MOST_REPEATS} more, {times} in all")


def flush() -> None:
    """Write out what is buffered for stdout while an error can still be met quietly."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


def silence(stream: TextIO) -> None:
    """Point a broken stream at nothing: Python flushes it once more at exit, and would complain."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
