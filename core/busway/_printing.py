"""Printing: notice what is written to stdout while a plugin is imported, and let it pass."""

from __future__ import annotations

import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Final, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["notice_printing"]

_KEPT: Final = 20
"""Writes of which the text is kept."""


@contextmanager
def notice_printing() -> Iterator[list[str]]:
    """While it lasts, collect what is first written to `sys.stdout`; it is written all the same."""
    written: list[str] = []
    if sys.stdout is None:  # closed by who started the process
        yield written
        return
    with redirect_stdout(cast("TextIO", _Passing(sys.stdout, written))):
        yield written


class _Passing:
    """A stream that passes everything on; who kept it goes on writing to the stream behind it."""

    def __init__(self, stream: TextIO, written: list[str]) -> None:
        self._stream = stream
        self._written = written

    def write(self, text: str) -> int:
        """Write, and keep the text."""
        if len(self._written) < _KEPT:
            self._written.append(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
