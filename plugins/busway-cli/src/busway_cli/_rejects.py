"""Rejects: the lines that are no events, kept byte for byte."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from busway_cli._streams import Refusal, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_cli._input import Input

__all__ = ["Rejects", "rejects_in"]


class Rejects:
    """Where rejected lines go; each is written at once."""

    def __init__(self, name: str = "", descriptor: int | None = None) -> None:
        self._name = name
        self._descriptor = descriptor

    def keep(self, line: bytes) -> None:
        """Write a line; if that fails it is told once, and no more are kept."""
        if self._descriptor is None:
            return
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._descriptor = None
            tell(f"{self._name}: {error.strerror}; rejected lines are no longer kept")


@contextmanager
def rejects_in(name: str | None, source: Input) -> Iterator[Rejects]:
    """A file for rejected lines, created or emptied; nowhere if `name` is None.

    Raises:
        Refusal: if it cannot be written, or is the input itself.
    """
    if name is None:
        yield Rejects()
        return
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as error:
        raise Refusal(f"--rejects {name}: {getattr(error, 'strerror', None) or error}") from None
    try:
        _empty(name, descriptor, source)
        yield Rejects(name, descriptor)
    finally:
        os.close(descriptor)


def _empty(name: str, descriptor: int, source: Input) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return
    if source.is_from(status):
        raise Refusal(f"--rejects {name}: that is the input itself")
    os.ftruncate(descriptor, 0)
