"""The directory of a trail: checked, held open, and its files reached without following links."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from errno import EACCES, EINVAL, EPERM
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Directory", "explained"]

_POSIX: Final = os.name == "posix"
_SAFE: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for its other end
)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _SAFE
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_ELSEWHERE: Final = "let this user create files there, or set the audit log's `path` elsewhere"


class Directory:
    """A directory of our own, created for its owner alone if it is not there.

    It is held open, so that its files are found in it whatever becomes of its name.

    Args:
        path: absolute.

    Raises:
        OSError: if it cannot be created or opened, is a link, belongs to another user, or others
            could write to it or replace it; the message has the remedy.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        try:
            _make(path)
            if _POSIX:
                _refuse_link(path)
                self._fd = os.open(path, _FOLDER)
        except OSError as error:
            raise explained(error, _ELSEWHERE, path) from error
        try:
            self._check()
            _sync_folder(path.parent)
        except BaseException:
            self.close()
            raise

    def names(self) -> list[str]:
        """The names in it."""
        return os.listdir(self.path if self._fd is None else self._fd)

    def open(self, name: str, flags: int) -> int:
        """Open a regular file of ours; a new one is its owner's alone.

        Raises:
            OSError: if it cannot be opened, or is anything else.
        """
        fd = os.open(self._at(name), flags | _SAFE, 0o600, dir_fd=self._fd)
        try:
            self._check_file(fd, name)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def holds(self, name: str, fd: int) -> bool:
        """Whether that name is still that of an open file."""
        try:
            there = os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(fd))

    def size(self, name: str) -> int:
        """The bytes of a file."""
        return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False).st_size

    def rename(self, name: str, new: str) -> None:
        """Give a file another name."""
        os.rename(self._at(name), self._at(new), src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._fd)

    def sync(self) -> None:
        """Make the names in it durable.

        By a descriptor of its own each time: one whose sync has failed is not synced again.
        """
        if self._fd is not None:
            _sync_folder(".", self._fd)

    def close(self) -> None:
        """Let go of it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):
                os.close(fd)

    def _at(self, name: str) -> str:
        return name if self._fd is not None else str(self.path / name)

    def _check(self) -> None:
        if self._fd is None:
            return
        found = os.fstat(self._fd)
        if found.st_uid != os.geteuid():
            remedy = f"it belongs to user {found.st_uid}: set `path` to a directory of this user"
            raise explained(_refused("is not ours"), remedy, self.path)
        if found.st_mode & _OTHERS:
            remedy = f"run `chmod go-w {self.path}`, and see who has written to it"
            raise explained(_refused("can be written to by others"), remedy, self.path)
        above = self.path.parent.stat().st_mode
        if above & stat.S_IWOTH and not above & stat.S_ISVTX:
            remedy = f"run `chmod o-w {self.path.parent}`, or `chmod +t` as for /tmp"
            raise explained(_refused("can be replaced by anybody"), remedy, self.path)

    def _check_file(self, fd: int, name: str) -> None:
        found = os.fstat(fd)
        ours = not _POSIX or found.st_uid == os.geteuid()
        if not stat.S_ISREG(found.st_mode) or not ours:
            remedy = "move it away, and see who has put it there"
            raise explained(_refused("is no file of our own"), remedy, self.path / name)


def explained(error: OSError, remedy: str, path: Path) -> OSError:
    """The same error, of the same class, that says what to do and of which path it speaks."""
    return OSError(error.errno, f"{error.strerror} ({remedy})", str(path))


def _refused(why: str) -> OSError:
    return OSError(EPERM, f"Refused: it {why}")


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        remedy = f"set the audit log's `path` to {path.resolve()}, if that is what is meant"
        raise explained(_refused("is a symbolic link"), remedy, path)


def _make(path: Path) -> None:
    """As `mkdir -p`, but each directory that it makes is closed to others, and durable."""
    for folder in (*reversed(path.parents), path):
        with suppress(FileExistsError):
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
                _sync_folder(folder.parent)


def _sync_folder(folder: Path | str, within: int | None = None) -> None:
    """Sync a directory, if directories can be synced at all, and this one may be opened."""
    if not _POSIX:
        return
    try:
        fd = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0), dir_fd=within)
    except PermissionError as error:
        if error.errno == EACCES and within is None:
            return
        raise
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != EINVAL:
            raise
    finally:
        os.close(fd)
