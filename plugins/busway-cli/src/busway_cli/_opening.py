"""Opening: the input of a run, by its name."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from busway_cli._input import Input
from busway_cli._streams import Refusal
from busway_cli._trail import Trail

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["opened"]

_STDIN: Final = "-"


@contextmanager
def opened(name: str) -> Iterator[Input]:
    """An input by its path, or stdin by `-`.

    Raises:
        Refusal: if there is no such file, it cannot be read, or it is a directory that holds no
            audit trail.
    """
    if name == _STDIN:
        if sys.stdin is None:
            raise Refusal("standard input is closed")
        yield _input(0, "standard input")
        return
    try:
        # not to block on a pipe whose writer has yet to come
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise Refusal(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield _input(descriptor, name)
    finally:
        os.close(descriptor)


def _input(descriptor: int, name: str) -> Input:
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return Input(descriptor)
        trail = Trail(descriptor)
    except OSError as error:
        raise Refusal(f"{name}: {error.strerror}") from None
    if trail.size is None:
        raise Refusal(f"{name}: Is a directory, and holds no audit trail")
    return trail
