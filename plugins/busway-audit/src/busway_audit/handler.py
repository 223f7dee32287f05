"""The handler: accepts every event, and decides when the disk has to work."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from busway.handlers import ANY, AnyType, EventHandler
from busway_audit._encoding import encode
from busway_audit._writer import Writer, carried_through

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from busway.events import Event

__all__ = ["AuditLogHandler"]


class AuditLogHandler(EventHandler):
    """Writes every event, of whatever type, to a file of JSON Lines.

    Each event is turned into its line when it is accepted, so that a later change of its payload
    cannot alter the record, and kept in memory until `buffer_size` lines are there, or `flush()`
    or `stop()` is called. A thread of its own does what needs the disk.

    It needs no `start()`, belongs to no event loop, and can be used by several at once, in
    several threads; after `stop()` it goes on in a new file. A forked child writes a file of its
    own, and leaves to the parent what was accepted before the fork.

    Ordering: the file's order is the order in which `handle()` accepted the events.

    Args:
        path: a directory, `~` being that of the user; created for its owner alone if it is not
            there. Each handler of each process creates a file of its own in it, at its first flush.
        buffer_size: at how many events in memory they are written: at least 1. More is faster,
            and more is lost if the process is killed.

    Raises:
        TypeError: if `path` is no path, or `buffer_size` no int.
        ValueError: if `buffer_size` is below 1.

    >>> AuditLogHandler(buffer_size=10).health()["accepted"]
    0
    """

    def __init__(self, path: str | Path = "audit", buffer_size: int = 100) -> None:
        self._directory = _checked_path(path)
        self._buffer_size = _checked_size(buffer_size)
        self._renew()
        _renew_after_fork(self)

    @property
    def event_types(self) -> Sequence[Literal[AnyType.ANY]]:
        """Every type, those that plugins bring included."""
        return [ANY]

    async def handle(self, event: Event) -> None:
        """Accept an event; if the buffer is full then, wait until it is on disk.

        Cancellation: an event is accepted before anything is waited for, and a write that was
        begun is carried through.

        Args:
            event: its payload may hold anything; see the README for the form each value takes.

        Raises:
            OSError: if the disk refused. Nothing is lost: the event is accepted, all is kept in
                order, and the next flush writes it. So a retry would record it twice.
        """
        if self._writer.accept(encode(event)) >= self._buffer_size:
            await self.flush()

    async def flush(self) -> None:
        """Write everything that was accepted so far, and sync it to the disk.

        Cancellation: the write is carried through.

        Raises:
            OSError: if the disk refused; everything is kept, in order, for the next flush.
        """
        await carried_through(self._writer.flush(self))

    async def stop(self) -> None:
        """Flush, close the file, and end the thread.

        Cancellation: all of it is carried through.

        Raises:
            OSError: if the disk refused; everything is kept, in order, for the next flush.
        """
        await carried_through(self._writer.close(self))

    def health(self) -> Mapping[str, int | str]:
        """What it says of itself, for this process.

        Returns:
            `accepted`, `pending` (accepted, not yet on disk) and `flushed` events; `file`, the
            last one written to, or ""; `error`, the disk's last error, while it stands.
        """
        return self._writer.health()

    def _renew(self) -> None:
        self._writer = Writer(self._directory)
        weakref.finalize(self, self._writer.abandon)


def _renew_after_fork(handler: AuditLogHandler) -> None:
    """Give a forked child a writer of its own: buffer, file, locks and thread are the parent's.

    The child's copy of the parent's descriptor stays open and unused; another thread of the
    parent may have been closing it, so its number can be anyone's.
    """
    known = weakref.ref(handler)

    def renew() -> None:
        alive = known()
        if alive is not None:
            alive._renew()  # noqa: SLF001 - the handler's own

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def _checked_path(path: object) -> Path:
    if not isinstance(path, (str, Path)):
        raise TypeError(f"path: a str or a Path is expected, not {type(path).__name__}")
    return Path(path).expanduser().absolute()


def _checked_size(size: object) -> int:
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"buffer_size: an int is expected, not {type(size).__name__}")
    if size < 1:
        raise ValueError(f"buffer_size: at least 1 is expected, not {size}")
    return size
