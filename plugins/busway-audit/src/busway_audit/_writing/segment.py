"""One file of a chain: a batch is in it whole and durable, or does not count."""

from __future__ import annotations

import os
from contextlib import suppress
from errno import EIO
from typing import TYPE_CHECKING, Final

from busway_audit._writing.directory import explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from busway_audit._writing.directory import Directory

__all__ = ["Segment", "sync_file", "write_all"]

_APPEND: Final = os.O_WRONLY | os.O_APPEND
_KEPT: Final = "the events are kept in memory, and written once the disk accepts them"


class Segment:
    """A file that is appended to, by one thread at a time.

    Args:
        directory: where it is.
        name: its name there.
        fd: its descriptor, open for appending.
        size: as many bytes of it count.

    Attributes:
        size: as many bytes of it count; what stands beyond was never acknowledged.
        broken: why nothing more can be written to it, or "".
    """

    def __init__(self, directory: Directory, name: str, fd: int, size: int) -> None:
        self.name = name
        self.size = size
        self.broken = ""
        self._directory = directory
        self._fd = fd

    @classmethod
    def create(cls, directory: Directory, name: str, data: bytes) -> Segment:
        """A new file, durable with its name and its first batch.

        Raises:
            OSError: if the disk refused. Then there is no such file, or one that does not count.
        """
        fd = directory.open(name, _APPEND | os.O_CREAT | os.O_EXCL)
        try:
            write_all(fd, data)
            sync_file(fd)
            directory.sync()
        except BaseException as error:
            with suppress(OSError):
                os.close(fd)
            with suppress(OSError):
                directory.remove(name)
            if isinstance(error, OSError):
                raise explained(error, _KEPT, directory.path / name) from error
            raise
        return cls(directory, name, fd, len(data))

    @classmethod
    def resume(cls, directory: Directory, name: str, size: int) -> Segment:
        """A file that there is, to be gone on with."""
        return cls(directory, name, directory.open(name, _APPEND), size)

    def append(self, data: bytes) -> None:
        """Write a batch and sync it.

        Raises:
            OSError: if the disk refused; the file is cut back to what counts, or `broken`. A
                descriptor whose sync has failed is never synced again: the kernel may have
                dropped what it could not write, and call the next sync a success.

        Source:
            Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020.
        """
        try:
            write_all(self._fd, data)
        except OSError as error:
            self._cut()
            raise explained(error, _KEPT, self._directory.path / self.name) from error
        try:
            sync_file(self._fd)
        except OSError as error:
            self.broken = "sync failed"
            self._cut()
            raise explained(error, _KEPT, self._directory.path / self.name) from error
        self.size += len(data)

    def look(self) -> None:
        """See whether someone has meddled with it: then it is `broken`."""
        if not self._directory.holds(self.name, self._fd):
            self.broken = "deleted"
        elif os.fstat(self._fd).st_size != self.size:
            self.broken = "changed"

    def close(self) -> None:
        """Let go of it; all that counts is durable already."""
        with suppress(OSError):
            os.close(self._fd)

    def _cut(self) -> None:
        """Cut off what does not count, durably: nothing of it may come back between later lines."""
        try:
            os.ftruncate(self._fd, self.size)
            if not self.broken:
                sync_file(self._fd)
        except OSError:
            self.broken = self.broken or "write failed"


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, in as many calls as it takes."""
    rest = memoryview(data)
    while rest:
        written = os.write(fd, rest)
        if not written:
            raise OSError(EIO, "The disk took nothing")
        rest = rest[written:]


def sync_file(fd: int) -> None:
    """Bring a file's content and size to the disk."""
    if _full_sync is not None:  # macOS: what it calls a sync leaves the data in the disk's cache
        _full_sync(fd)
    else:
        getattr(os, "fdatasync", os.fsync)(fd)  # it leaves out times, not the size


def _find_full_sync() -> Callable[[int], object] | None:
    try:
        import fcntl  # not on Windows
    except ImportError:
        return None
    command: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    return None if command is None else lambda fd: fcntl.fcntl(fd, command)


_full_sync: Final = _find_full_sync()
