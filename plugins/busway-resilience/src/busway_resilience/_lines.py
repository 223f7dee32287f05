"""Lines of a file, each of them whole or not there."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["append"]

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
_lock: Final = Lock()


def append(path: Path, line: bytes) -> None:
    """Append a line to a file that only its owner can read; it and its folders are made.

    It is opened for each line, so it may be rotated at any time, and written in one piece, so
    that other processes may write to it too.

    Raises:
        OSError: if it could not be written whole; nothing of it is in the file then.
    """
    with _lock:
        descriptor = _open(path)
        try:
            _write(descriptor, line)
        finally:
            os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o600)


def _write(descriptor: int, line: bytes) -> None:
    written = os.write(descriptor, line)
    if written == len(line):
        return
    end = os.lseek(descriptor, 0, os.SEEK_CUR)
    # If another process has appended since, to cut the file would cost its line. It has hardly
    # had the room: writes are short when the disk is full.
    if end == os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, end - written)
    raise OSError(f"only {written} of {len(line)} bytes could be written: is the disk full?")
