"""A slot: the right to write one of the chains of a directory, held by a lock."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from busway_audit._format.names import lock_name

if TYPE_CHECKING:
    from busway_audit._writing.directory import Directory

__all__ = ["Slot"]


class Slot:
    """The lowest slot that nobody holds, from 1; the kernel frees it if its holder dies.

    A forked child does not hold it: filelock lets go of it there, and there alone.

    Args:
        directory: whose slot.

    Attributes:
        number: which one it is.

    Raises:
        OSError: if the lock file cannot be opened.
    """

    def __init__(self, directory: Directory) -> None:
        for self.number in count(1):
            self._path = directory.path / lock_name(self.number)
            self._lock = FileLock(self._path, mode=0o600, thread_local=False)
            with suppress(Timeout):
                self._lock.acquire(blocking=False)
                break
        try:
            self._file = self._path.stat()
        except BaseException:
            self.release()
            raise

    def is_held(self) -> bool:
        """Whether its lock file is still there: without it, another can take the slot."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self._file.st_dev, self._file.st_ino)

    def release(self) -> None:
        """Leave it to others."""
        self._lock.release(force=True)
