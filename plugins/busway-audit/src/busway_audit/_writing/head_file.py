"""The head file of a sealed slot: created durably, then rewritten in place after each batch."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from busway_audit._format.head import HEAD_BYTES, Head, decode_head, encode_head
from busway_audit._format.names import head_name
from busway_audit._writing.segment import sync_file, write_all

if TYPE_CHECKING:
    from busway_audit._writing.directory import Directory

__all__ = ["HeadFile", "read_head"]


class HeadFile:
    """Where a slot's head is kept.

    At first it is replaced as a whole, and synced; from then on in place, and not synced. So, after
    a crash, the chain may be ahead of its head, but never behind it, because a head is written
    only when what it speaks of is durable; and it is never half there, being one sector long.

    Args:
        directory: where it is.
        slot: whose it is.
        key: what signs it.
    """

    def __init__(self, directory: Directory, slot: int, key: bytes) -> None:
        self._directory = directory
        self._name = head_name(slot)
        self._key = key
        self._fd: int | None = None

    def write(self, head: Head) -> None:
        """Replace what it says.

        Raises:
            OSError: if the disk refused; it says what it said, and the next one is tried afresh.
        """
        data = encode_head(head, self._key)
        try:
            if self._fd is None:
                self._create(data)
            else:
                os.lseek(self._fd, 0, os.SEEK_SET)
                write_all(self._fd, data)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):
                os.close(fd)

    def _create(self, data: bytes) -> None:
        new = f"{self._name}.new"
        self._fd = self._directory.open(new, os.O_WRONLY | os.O_CREAT)
        os.ftruncate(self._fd, 0)
        write_all(self._fd, data)
        sync_file(self._fd)
        self._directory.rename(new, self._name)
        self._directory.sync()


def read_head(directory: Directory, slot: int, key: bytes) -> Head | None:
    """The head of a slot; None if there is no file.

    Raises:
        ValueError: if the file holds no head that was signed by this key.
    """
    try:
        fd = directory.open(head_name(slot), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return decode_head(os.read(fd, HEAD_BYTES + 1), key)
    finally:
        os.close(fd)
