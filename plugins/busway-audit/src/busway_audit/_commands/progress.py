"""Progress: a bar on stderr, if that is a terminal."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Progress"]


class Progress:
    """Shows how much has been read, and how long the rest takes."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __call__(self, done: int, size: int) -> None:
        """So many bytes of so many have been read."""
        if not self._shown:
            return
        if not self._done:
            bar = click.progressbar(length=size, label="verifying", file=sys.stderr)
            self._bar = self._stack.enter_context(bar)
        self._bar.update(done - self._done)
        self._done = done
