"""Input: bytes from a file or a stream, never blocking the loop while a stream has none."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import Final

__all__ = ["Input"]

_CHUNK: Final = 1 << 18


class Input:
    """An open file or stream.

    A file is read to the end that it has now: what a handler appends to it is no input.

    Attributes:
        descriptor: its file descriptor.
        size: how many bytes are there to read; None if that is not known.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        status = os.fstat(descriptor)
        self._is_file = stat.S_ISREG(status.st_mode)
        self.size = self._remaining(status.st_size) if self._is_file else None
        self._left = self.size or None  # files that the system makes up, as in /proc, say 0
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
                return self._counted(os.read(self.descriptor, self._most()))
            except BlockingIOError:  # another reader was faster
                continue

    def is_from(self, status: os.stat_result) -> bool:
        """Whether it is read from the file of that status."""
        return os.path.samestat(status, os.fstat(self.descriptor))

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

    def _most(self) -> int:
        return _CHUNK if self._left is None else min(_CHUNK, self._left)

    def _counted(self, read: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(read)
        return read

    def _remaining(self, size: int) -> int:
        return max(size - os.lseek(self.descriptor, 0, os.SEEK_CUR), 0)
