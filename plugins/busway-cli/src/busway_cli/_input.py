"""Input: bytes from a file or a stream, never blocking the loop while a stream has none."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from busway_cli._streams import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Input", "opened"]

_CHUNK: Final = 1 << 18
_STDIN: Final = "-"


class Input:
    """An open file or stream.

    Attributes:
        descriptor: its file descriptor.
        size: how many bytes are there to read; None if that is not known.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        status = os.fstat(descriptor)
        self._is_file = stat.S_ISREG(status.st_mode)
        self.size = self._remaining(status.st_size) if self._is_file else None
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """The next bytes, as many as there are; none at the end, or once it was ended.

        Raises:
            OSError: if it cannot be read.
        """
        while True:
            if not self._is_file:
                await self._readable()
            if self._ended:
                return b""
            try:
                return os.read(self.descriptor, _CHUNK)
            except BlockingIOError:  # another reader was faster
                continue

    def end(self) -> None:
        """Let `read` return nothing from now on, the one that is waiting too; in the loop."""
        self._ended = True
        self._wake()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        if self._ended:
            return
        try:
            loop.add_reader(self.descriptor, self._wake)
        except PermissionError:  # epoll refuses what never has to be waited for, as /dev/null
            return
        try:
            await self._waiter
        finally:
            loop.remove_reader(self.descriptor)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _remaining(self, size: int) -> int:
        return max(size - os.lseek(self.descriptor, 0, os.SEEK_CUR), 0)


@contextmanager
def opened(name: str) -> Iterator[Input]:
    """An input by its path, or stdin by `-`.

    Raises:
        Refusal: if there is no such file, or it cannot be read, or it is a directory.
    """
    if name == _STDIN:
        if sys.stdin is None:
            raise Refusal("standard input is closed")
        yield _checked(0, "standard input")
        return
    try:
        # not to block on a pipe whose writer has yet to come
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise Refusal(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield _checked(descriptor, name)
    finally:
        os.close(descriptor)


def _checked(descriptor: int, name: str) -> Input:
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise Refusal(f"{name}: Is a directory")
        return Input(descriptor)
    except OSError as error:
        raise Refusal(f"{name}: {error.strerror}") from None
