"""The file: created exclusively, appended to in whole batches, cut back when one fails."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from errno import EINVAL, EIO
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LogFile"]

_FLAGS: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class LogFile:
    """A new file of our own, open for appending; used by one thread at a time.

    Args:
        directory: absolute; created, with its parents, for its owner alone if it is not there.

    Attributes:
        path: where it is: `audit-<UTC time>-<process id>-<number>.jsonl`.

    Raises:
        OSError: if the directory or the file cannot be created; it names the path and the remedy.
    """

    def __init__(self, directory: Path) -> None:
        try:
            _make_directory(directory)
            self.path, self._fd = _create(directory)
        except OSError as error:
            remedy = "let this user create files there, or set the audit log's `path` elsewhere"
            raise _explained(error, remedy, directory) from error
        self._end = 0
        self._whole = True

    @property
    def gone(self) -> bool:
        """Whether someone has deleted the file: what is written to it then reaches nobody."""
        return os.fstat(self._fd).st_nlink == 0

    def append(self, data: bytes) -> None:
        """Write a batch and sync it; all of it, or, as far as any reader can see, nothing.

        Raises:
            OSError: if the disk refused; the file is cut back to its last good end, now or, if
                that is refused too, before the next batch.
        """
        try:
            self._cut()
            self._whole = False
            _write_all(self._fd, data)
            _sync(self._fd)
        except OSError as error:
            with suppress(OSError):
                self._cut()
            remedy = "the events are kept in memory and written once the disk accepts them"
            raise _explained(error, remedy, self.path) from error
        self._end += len(data)
        self._whole = True

    def close(self) -> None:
        """Close it; a part that a failed batch left behind is cut off first."""
        with suppress(OSError):
            self._cut()
        os.close(self._fd)

    def _cut(self) -> None:
        if not self._whole:
            os.ftruncate(self._fd, self._end)
            self._whole = True


def _make_directory(directory: Path) -> None:
    """As `mkdir -p`, but every directory that it makes is closed to others."""
    for folder in (*reversed(directory.parents), directory):
        with suppress(FileExistsError):
            if not folder.is_dir():
                folder.mkdir(mode=0o700)


def _create(directory: Path) -> tuple[Path, int]:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in count(1):
        path = directory / f"audit-{stamp}-{os.getpid()}-{number:04}.jsonl"
        with suppress(FileExistsError):
            fd = os.open(path, _FLAGS, 0o600)
            break
    try:
        _sync_directory(directory)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return path, fd


def _sync_directory(directory: Path) -> None:
    """Make the file's name durable, where directories can be synced at all."""
    if os.name != "posix":
        return
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != EINVAL:
            raise
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.write(fd, rest)
        if not written:
            raise OSError(EIO, "the disk took nothing")
        rest = rest[written:]


def _sync(fd: int) -> None:
    # fdatasync leaves out times, not the size; macOS and Windows do not have it
    getattr(os, "fdatasync", os.fsync)(fd)


def _explained(error: OSError, remedy: str, path: Path) -> OSError:
    """The same error, of the same class, that says what to do and of which path it speaks."""
    return OSError(error.errno, f"{error.strerror} ({remedy})", str(path))
