"""The writer: a thread of its own that decides when the disk has to work."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from busway_audit._writing.at_exit import AtExit
from busway_audit.exceptions import BufferFullError

if TYPE_CHECKING:
    from busway_audit._accepting.buffer import Accepted, Buffer
    from busway_audit._writing.due import Due
    from busway_audit._writing.flusher import Flusher

__all__ = ["Writer"]

_log = logging.getLogger("busway.audit")


class Writer:
    """Takes events in, and brings them to the disk from a thread that begins with the first one.

    The thread knows nothing of who owns this; his finalizer is to call `abandon`.

    Ordering: the trail's order is that of `accept`, whoever calls, from wherever.

    Args:
        buffer: what was accepted; its lock guards all that the thread and the callers share.
        flusher: what brings it to the disk.
        due: when it does so unasked.
    """

    def __init__(self, buffer: Buffer, flusher: Flusher, due: Due) -> None:
        self._buffer = buffer
        self._flusher = flusher
        self._due = due
        self._process = os.getpid()
        self._wake = threading.Condition(buffer.lock)
        self._thread: threading.Thread | None = None
        self._flushes: list[Future[None]] = []
        self._closes: list[Future[None]] = []
        self._is_ending = False
        self._disk = threading.Lock()  # held while the disk works
        self._at_exit = AtExit(self.abandon)

    def accept(self, entry: Accepted, *, urgent: bool = False) -> bool:
        """Keep an event until it is durable; False if there is no room.

        Args:
            entry: the event.
            urgent: whether it is to be written at once.
        """
        with self._buffer.lock:
            if self._thread is None:
                self._begin()
            count = self._buffer.offer(entry)
            if urgent or self._due.may_change(count):
                self._due.note(count, urgent=urgent)
                self._wake.notify()
        if self._is_ending:
            self._end()
        return count > 0

    def drop(self, entry: Accepted) -> None:
        """Count an event as dropped; its place in the trail is marked."""
        with self._buffer.lock:
            begins = self._buffer.drop()
        if self._is_ending:
            self._end()
        if begins:
            self._flusher.tell_dropped(entry)

    def wait(self, entry: Accepted, *, urgent: bool = False) -> Future[None]:
        """Accept an event when there is room, after those that wait for it already.

        Args:
            entry: the event.
            urgent: whether it is to be written at once then.

        Returns:
            A future of that; its exception, if the process ends before, is a `BufferFullError`.
        """
        with self._buffer.lock:
            self._stir()
            let_in = self._buffer.wait(entry, urgent=urgent)
        self._let_in()
        if self._is_ending:
            self._end()
        return let_in

    def give_up(self, let_in: Future[None]) -> None:
        """Wait no more; an event that was accepted by now stays so."""
        with self._buffer.lock:
            self._buffer.give_up(let_in)

    def flush(self, *, even_if_empty: bool = False) -> Future[None]:
        """Have all that was accepted so far written and synced.

        Args:
            even_if_empty: whether the trail is to be taken up though nothing was accepted.

        Returns:
            A future of it; its exception is the disk's refusal.
        """
        done: Future[None] = Future()
        with self._buffer.lock:
            if len(self._buffer) or even_if_empty:
                self._stir()
                self._flushes.append(done)
            else:
                done.set_result(None)
        if self._is_ending:
            self._end()
        return done

    def close(self) -> Future[None]:
        """As `flush`; then, whether it succeeded or not, leave the trail and end the thread.

        The next event is accepted as ever, and begins both anew.
        """
        done: Future[None] = Future()
        with self._buffer.lock:
            if len(self._buffer) or self._thread is not None:
                self._stir()
                self._closes.append(done)
            else:
                done.set_result(None)
        if self._is_ending:
            self._end()
        return done

    def abandon(self) -> None:
        """Write what is left, in the calling thread: at the interpreter's exit, or the owner's end.

        A forked child leaves it alone: what was accepted before the fork is the parent's to write.
        """
        if os.getpid() != self._process:
            return
        self._is_ending = True
        if threading.current_thread() is self._thread:
            return  # the collector came by here, maybe with the lock held: the thread goes on
        with self._buffer.lock:
            self._wake.notify()
        self._end()

    def _stir(self) -> None:
        """See that there is a thread, and that it looks at what has changed; the lock is held."""
        if self._thread is None:
            self._begin()
        self._wake.notify()

    def _begin(self) -> None:
        """Start the thread; if the process ends, and starts none, its callers do the work."""
        if self._is_ending:
            return
        thread = threading.Thread(target=self._run, name="busway-audit", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if threading.main_thread().is_alive():
                raise
            self._is_ending = True
        else:
            self._thread = thread
            self._at_exit.begin()

    def _run(self) -> None:
        is_over = False
        while not is_over:
            with self._buffer.lock:
                while not self._has_work():
                    refused = bool(self._flusher.error)
                    self._wake.wait(self._due.patience(len(self._buffer), refused=refused))
                flushes, self._flushes = self._flushes, []
                closes, self._closes = self._closes, []
                self._due.begin()
            begins = bool(flushes or self._flusher.error)
            error = self._write(asked=bool(flushes or closes), even_if_empty=begins)
            if self._is_ending or closes:
                is_over = self._leave(error)
            _settle(flushes + closes, error)

    def _has_work(self) -> bool:
        if self._flushes or self._closes or self._is_ending:
            return True
        wanted, refused = self._buffer.is_awaited, bool(self._flusher.error)
        return self._due.is_now(len(self._buffer), wanted=wanted, refused=refused)

    def _write(self, *, asked: bool, even_if_empty: bool) -> Exception | None:
        """Write all that there is by now; the error, if the disk refused."""
        with self._disk:
            if not len(self._buffer) and (self._is_ending or not even_if_empty):
                return None  # who ends the process has written it
            try:
                self._flusher.write(self._buffer.added, asked=asked, written=self._let_in)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
                self._due.refuse()
                return error
        return None

    def _let_in(self) -> None:
        """Accept those who wait, as far as there is room."""
        with self._buffer.lock:
            let_in = self._buffer.let_in()
            if let_in:
                urgent = any(one.urgent for one in let_in)
                self._due.note(len(self._buffer), urgent=urgent)
                self._wake.notify()
        for one in let_in:
            one.let_in.set_result(None)

    def _leave(self, error: Exception | None) -> bool:
        """Leave the trail, and end, unless somebody waits, or there is more that the disk takes."""
        with self._disk:
            self._close()
        with self._buffer.lock:
            late = self._flushes + self._closes  # asked for since this began
            has_more = self._buffer.is_awaited or (len(self._buffer) and (late or error is None))
            if has_more and not (self._is_ending and error):
                return False
            self._thread = None
            self._flushes, self._closes = [], []
            error = error if len(self._buffer) else None
            self._forget()
        _settle(late, error)
        return True

    def _end(self) -> None:
        """Write what is left, and leave the trail, in the calling thread; nobody waits any more."""
        error: Exception | None = None
        with self._disk:
            try:
                while len(self._buffer):
                    self._flusher.write(self._buffer.added, asked=True, written=self._let_in)
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is told
                _log.exception("%d events are lost", self._buffer.pending)
                error = failure
            self._close()
        with self._buffer.lock:
            asked, self._flushes, self._closes = self._flushes + self._closes, [], []
            refused = self._buffer.refuse() if error else []
            self._forget()
        _settle(asked, error)
        _settle(refused, BufferFullError(self._buffer.pending, self._flusher.error))

    def _close(self) -> None:
        try:
            self._flusher.close()
        except Exception:  # noqa: BLE001 - whatever it is, it must not end the thread
            _log.exception("the trail was not left in good order")

    def _forget(self) -> None:
        """At its end, ask for no call at the interpreter's: there is nothing left to write."""
        if self._is_ending and not len(self._buffer):
            self._at_exit.cancel()


def _settle(futures: list[Future[None]], error: Exception | None) -> None:
    for one in futures:
        one.set_exception(error) if error else one.set_result(None)
