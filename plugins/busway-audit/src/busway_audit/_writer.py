"""The writer: what was accepted, and the one thread that brings it to the disk."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from busway_audit._file import LogFile

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Writer", "carried_through"]

_logger = logging.getLogger("busway.audit")


class Writer:
    """Accepts lines from any thread, and writes them in that order from a thread of its own.

    Jobs of the thread hold on to the `owner` they were asked for by, so that its finalizer
    (`abandon`) can never run while one of them is under way.

    Ordering: the thread itself takes the buffer when it is its turn to write, and puts it back in
    front if that fails; so the file's order is that of `accept`, whoever calls, from wherever.

    Args:
        directory: where its file goes, once there is something to write.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process = os.getpid()
        self._state = threading.Lock()  # held for moments: the fields below, up to the file
        self._buffer: list[bytes] = []
        self._accepted = 0
        self._flushed = 0
        self._error = ""
        self._executor: ThreadPoolExecutor | None = None
        self._queued: Future[None] | None = None
        self._disk = threading.Lock()  # held while the disk works: the file
        self._file: LogFile | None = None
        self._path = ""

    def accept(self, line: bytes) -> int:
        """Keep a line until it is on disk; returns how many the thread has not yet taken."""
        with self._state:
            self._buffer.append(line)
            self._accepted += 1
            return len(self._buffer)

    def flush(self, owner: object) -> Future[None]:
        """Have all that was accepted so far written and synced.

        One job serves all who ask before it has begun.

        Args:
            owner: kept alive until it is done.

        Returns:
            A future of it, for `carried_through`; an OSError is the disk's refusal.
        """
        with self._state:
            if self._queued is None:
                self._queued = self._thread().submit(self._write, owner)
            return self._queued

    def close(self, owner: object) -> Future[None]:
        """As `flush`; then, whether it succeeded or not, the file is closed and the thread ends.

        The next line is accepted as ever, and opens a new file when it is written.
        """
        with self._state:
            executor = self._thread()
            self._executor = None
            closed = executor.submit(self._write_and_close, owner)
            executor.shutdown(wait=False)
            return closed

    def abandon(self) -> None:
        """Write what is left, in the calling thread: at the interpreter's exit, or its owner's end.

        A forked child leaves it alone: what was accepted before the fork is the parent's to write.
        """
        if os.getpid() != self._process:
            return
        try:
            self._write_and_close(None)
        except OSError:
            _logger.exception("%d events are lost", self._accepted - self._flushed)

    def health(self) -> dict[str, int | str]:
        """The counts, the file, and the disk's last error while it stands."""
        with self._state:
            return {
                "accepted": self._accepted,
                "pending": self._accepted - self._flushed,
                "flushed": self._flushed,
                "file": self._path,
                "error": self._error,
            }

    def _thread(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="busway-audit")
        return self._executor

    def _write(self, _owner: object) -> None:
        with self._disk:
            self._write_buffer()

    def _write_and_close(self, _owner: object) -> None:
        with self._disk:
            try:
                self._write_buffer()
            finally:
                file, self._file = self._file, None
                if file is not None:
                    file.close()

    def _write_buffer(self) -> None:
        with self._state:
            self._queued = None
            batch, self._buffer = self._buffer, []
        if not batch:
            return
        try:
            self._open_file().append(b"".join(batch))
        except BaseException as error:
            self._put_back(batch, error)
            raise
        self._acknowledge(len(batch))

    def _open_file(self) -> LogFile:
        if self._file is not None and self._file.gone:
            _logger.warning("%s was deleted: a new file takes over", self._file.path)
            with suppress(OSError):
                self._file.close()
            self._file = None
        if self._file is None:
            self._file = LogFile(self._directory)
        return self._file

    def _put_back(self, batch: list[bytes], error: BaseException) -> None:
        with self._state:
            self._buffer[:0] = batch
            known, self._error = self._error, str(error) or type(error).__name__
            pending = len(self._buffer)
        if not known:
            _logger.error("%d events are waiting for the disk: %s", pending, error)

    def _acknowledge(self, count: int) -> None:
        with self._state:
            self._flushed += count
            self._path = "" if self._file is None else str(self._file.path)
            known, self._error = self._error, ""
        if known:
            _logger.warning("the disk accepts events again: %d written", count)


async def carried_through(job: Future[None]) -> None:
    """Wait for a job that goes on if whoever waits is cancelled, or its loop is closed.

    Raises:
        Exception: what the job raised.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def wake(_job: Future[None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, done)

    job.add_done_callback(wake)
    await done
    job.result()


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
