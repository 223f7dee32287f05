"""The flusher: batch by batch from the buffer to the disk, and what is told if the disk refuses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from busway_audit._accepting.buffer import Gap

if TYPE_CHECKING:
    from collections.abc import Callable

    from busway_audit._accepting.buffer import Buffer, Entry
    from busway_audit._writing.appender import Appender
    from busway_audit._writing.report import Reporter

__all__ = ["Flusher"]

_log = logging.getLogger("busway.audit")


class Flusher:
    """Empties a buffer into a trail; used by one thread at a time.

    Args:
        buffer: what is to be written.
        reporter: who is told, besides the log.

    Attributes:
        appender: what writes; to be set before anything is written.
        error: why the disk refused last, while it does, or "".
    """

    appender: Appender

    def __init__(self, buffer: Buffer, reporter: Reporter) -> None:
        self.error = ""
        self._buffer = buffer
        self._reporter = reporter
        self._is_reported = False
        self._is_about_reports = False
        self._is_told = self._was_told = False  # whether the batch, and the one before, had trouble

    def write(self, until: int, *, asked: bool, written: Callable[[], object]) -> None:
        """Write batches until so many entries are durable; at least one, even an empty one.

        Args:
            until: how many entries, of all that were ever added.
            asked: whether someone waits for it, who is told by the exception if it fails.
            written: called after each batch.

        Raises:
            Exception: if it failed; nothing is lost, and it can be tried again.
        """
        try:
            self._write_batch()
            written()
            while self._buffer.removed < until:
                self._write_batch()
                written()
        except Exception as error:
            self._note_failure(error, asked=asked)
            raise
        self._note_success()

    def close(self) -> None:
        """Leave the trail; the next batch takes it up again."""
        self._is_about_reports = False
        self.appender.close()
        self._is_told = self._was_told = False

    def tell(self, message: str) -> None:
        """Tell an operator of something by which nothing was lost; on the bus, once of a series."""
        _log.error("%s", message)
        self._is_told = True
        if not (self._is_about_reports or self._was_told):
            self._reporter.report(message, self._buffer.pending)

    def tell_dropped(self, entry: Entry) -> None:
        """Tell that events are dropped, of which this is the first."""
        message = "the buffer is full: events are dropped"
        _log.error("%s", message)
        if not entry.is_report:
            self._reporter.report(message, self._buffer.pending)

    def _write_batch(self) -> None:
        with self._buffer.lock:
            entries = self._buffer.take()
        self._is_about_reports = bool(entries) and all(entry.is_report for entry in entries)
        try:
            events = len(entries) - sum(isinstance(entry, Gap) for entry in entries)
            self.appender.append([entry.fields for entry in entries], events)
        except BaseException:
            with self._buffer.lock:
                self._buffer.give_back()
            raise
        with self._buffer.lock:
            self._buffer.remove(entries)
        self._was_told, self._is_told = self._is_told, False

    def _note_failure(self, error: Exception, *, asked: bool) -> None:
        message = str(error) or type(error).__name__
        if not self.error:
            trace = None if isinstance(error, OSError) else error
            _log.error(
                "%d events are waiting for the disk: %s",
                self._buffer.pending,
                message,
                exc_info=trace,
            )
        self.error = message
        if not (asked or self._is_reported or self._is_about_reports):
            self._is_reported = True
            self._reporter.report(message, self._buffer.pending)

    def _note_success(self) -> None:
        if self.error:
            _log.warning("the disk accepts events again")
        self.error = ""
        self._is_reported = False
