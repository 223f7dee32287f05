"""The handler: accepts every event, and leaves it to the writer to make it durable."""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Collection  # noqa: TC003 - settings are checked against it
from pathlib import Path  # noqa: TC003 - settings are checked against it
from typing import TYPE_CHECKING, Final, Literal

from busway.handlers import ANY, AnyType, EventHandler
from busway_audit._accepting.buffer import Accepted, Buffer
from busway_audit._accepting.encoding import Encoding
from busway_audit._accepting.redaction import Redaction
from busway_audit._accepting.settings import (
    age_of,
    choice_of,
    flag_of,
    key_of,
    names_of,
    number_of,
    path_of,
)
from busway_audit._writing.appender import Appender, Rotation
from busway_audit._writing.due import Due, Triggers
from busway_audit._writing.flusher import Flusher
from busway_audit._writing.report import Reporter
from busway_audit._writing.waiting import carried_through
from busway_audit._writing.writer import Writer
from busway_audit.exceptions import BufferFullError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from busway.bus import EventBus
    from busway.events import Event

__all__ = ["AuditLogHandler"]

_REDACTED: Final = ("password", "token", "authorization")
_PASSING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE)
"""What a disk that refuses says, and what will pass: all else is to be mended by somebody."""


class AuditLogHandler(EventHandler):
    """Writes every event, of whatever type, to an audit trail: JSON Lines, chained by hashes.

    Accepted: `handle()` returned. Durable: `flush()` returned, or `last_durable_seq` in `health()`
    reached it. A crash loses at most what was accepted and not yet durable; nothing durable is
    ever lost or altered unnoticed.

    What is accepted is written by a thread of its own, when `buffer_size` events are there, when
    `flush()` or `stop()` is called, when the interpreter exits, and, if they are set, at `max_age`
    and for the types of `flush_on`. The event loop never waits for the disk, and no publisher
    does but by `flush()`, and by `handle()` while the buffer is full.

    It needs no `start()`, belongs to no event loop, and can be used by several at once, in several
    threads. Several processes, and several handlers, can share one `path`: each writes a chain of
    its own there. A forked child writes its own, too, and leaves to the parent what was accepted
    before the fork. After `stop()` the next event begins anew.

    Ordering: a chain's order is that in which `handle()` accepted the events.

    Args:
        path: a directory, `~` being that of the user; created for its owner alone if it is not
            there. One that others can write to, or a link to one, is refused.
        buffer_size: at how many events in memory they are written: at least 1. More is faster,
            and more is lost if the process is killed.
        max_age: seconds after which an event is written though the buffer is not full, or None.
        flush_on: types of event that are written at once, with all before them.
        max_pending: how many events may wait for the disk: at least `buffer_size`.
        max_pending_bytes: how many bytes of events may wait, about.
        when_full: what becomes of an event beyond that. `wait`: `handle()` waits for room.
            `raise`: `handle()` raises. `drop`: it is lost, and a record tells how many were.
        rotate_bytes: at how many bytes a new file is begun.
        rotate_daily: whether one is begun each day, in UTC.
        key: a secret that seals the trail: 64 hex digits, as `busway audit keygen` makes them.
            Without it anybody who can write the files can rewrite them from scratch.
        redact: keys whose values are never written, at whatever depth of payload and metadata:
            `token` means `access_token` and `X-Auth-Token`, too. With `*`, patterns.
        redact_key: a secret with which a hash of each such value stands in its place, so that
            records still correlate: 64 hex digits.

    Raises:
        TypeError: if a setting is of a wrong type.
        ValueError: if one is out of range.

    >>> AuditLogHandler(buffer_size=10).health()["accepted"]
    0
    """

    def __init__(
        self,
        path: str | Path = "audit",
        buffer_size: int = 100,
        *,
        max_age: float | None = None,
        flush_on: Collection[str] = (),
        max_pending: int = 10_000,
        max_pending_bytes: int = 64 * 2**20,
        when_full: Literal["wait", "raise", "drop"] = "wait",
        rotate_bytes: int = 64 * 2**20,
        rotate_daily: bool = True,
        key: str | None = None,
        redact: Collection[str] = _REDACTED,
        redact_key: str | None = None,
    ) -> None:
        self._path = path_of(path)
        entries = number_of("buffer_size", buffer_size)
        self._triggers = Triggers(entries, age_of("max_age", max_age))
        self._bounds = (
            number_of("max_pending", max_pending, least=entries),
            number_of("max_pending_bytes", max_pending_bytes),
        )
        self._flush_on = frozenset(names_of("flush_on", flush_on))
        self._when_full = choice_of("when_full", when_full, ("wait", "raise", "drop"))
        self._rotation = Rotation(
            number_of("rotate_bytes", rotate_bytes), flag_of("rotate_daily", rotate_daily)
        )
        self._key = key_of("key", key)
        redaction = Redaction(names_of("redact", redact), key_of("redact_key", redact_key))
        self._encoding = Encoding(redaction)
        self._reporter = Reporter(self.name)
        self._renew()
        _renew_after_fork(self)

    @property
    def event_types(self) -> Sequence[Literal[AnyType.ANY]]:
        """Every type, those that plugins bring included."""
        return [ANY]

    async def start(self, bus: EventBus) -> None:
        """Take up the trail, recovering what a crash has left, and write that it starts.

        From then on, failures of flushes that nobody waits for are published on the bus as
        `ERROR_OCCURRED`.

        Args:
            bus: where this is subscribed.

        Raises:
            OSError: if the path is refused, or cannot be written to by this user: the trail would
                never begin. A disk that is full, or fails, is logged, and tried again.
        """
        self._reporter.begin(bus)
        try:
            await carried_through(self._writer.flush(even_if_empty=True))
        except OSError as error:
            if error.errno not in _PASSING:
                raise

    async def handle(self, event: Event) -> None:
        """Accept an event. While the buffer is full, do as `when_full` says.

        Ordering: those that wait for room are accepted in the order in which they came.

        Cancellation: only while it waits for room; the event is given up then, unless it was
        accepted at that very moment.

        Args:
            event: its payload may hold anything; see the README for the form each value takes. It
                is recorded as it is now; a later change of the payload does not alter the record.

        Raises:
            BufferFullError: if there is no room, and `when_full` is `raise`, or the process ends
                before there is: it is not accepted.
        """
        entry = Accepted(self._encoding.encode(event), self._reporter.is_report(event))
        urgent = bool(self._flush_on) and event.type in self._flush_on
        if self._writer.accept(entry, urgent=urgent):
            return
        if self._when_full == "drop":
            self._writer.drop(entry)
            return
        if self._when_full == "raise":
            raise BufferFullError(self._buffer.pending, self._flusher.error)
        let_in = self._writer.wait(entry, urgent=urgent)
        try:
            await carried_through(let_in)
        finally:
            self._writer.give_up(let_in)

    async def flush(self) -> None:
        """Make everything durable that was accepted so far.

        Cancellation: the write is carried through.

        Raises:
            OSError: if the disk refused; everything is kept, in order, and tried again.
        """
        await carried_through(self._writer.flush())

    async def stop(self) -> None:
        """Flush, write that the trail ends, leave it, and end the thread.

        Cancellation: all of it is carried through.

        Raises:
            OSError: if the disk refused; everything is kept, in order, for the next flush.
        """
        self._reporter.end()
        await carried_through(self._writer.close())

    def health(self) -> Mapping[str, int | str]:
        """What it says of itself, for this process.

        Returns:
            `accepted`, `pending` (accepted, not yet durable), `durable` and `dropped` events;
            `pending_bytes`; `last_durable_seq`, that of the last record of its chain that is
            durable; `slot`, the number of that chain, 0 while it has none; `file`, the last one
            written to, or ""; `error`, why the disk refused, while it does, or "".
        """
        buffer, appender = self._buffer, self._flusher.appender
        return {
            "accepted": buffer.accepted,
            "pending": buffer.pending,
            "durable": buffer.durable,
            "dropped": buffer.dropped,
            "pending_bytes": buffer.size,
            "last_durable_seq": appender.seq,
            "slot": appender.slot,
            "file": appender.file,
            "error": self._flusher.error,
        }

    def _renew(self) -> None:
        self._buffer = Buffer(*self._bounds)
        self._flusher = Flusher(self._buffer, self._reporter)
        self._flusher.appender = Appender(self._path, self._key, self._rotation, self._flusher.tell)
        self._writer = Writer(self._buffer, self._flusher, Due(self._triggers))
        weakref.finalize(self, self._writer.abandon).atexit = False


def _renew_after_fork(handler: AuditLogHandler) -> None:
    """Give a forked child a writer of its own: buffer, files, lock and thread are the parent's."""
    known = weakref.ref(handler)

    def renew() -> None:
        alive = known()
        if alive is not None:
            alive._renew()  # noqa: SLF001 - the handler's own

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
