"""The writer: a thread of its own that decides when the disk has to work."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from busway_audit._at_exit import AtExit

if TYPE_CHECKING:
    from busway_audit._buffer import Buffer
    from busway_audit._due import Due
    from busway_audit._encoding import Encoded
    from busway_audit._snapshot import Snapshot
    from busway_audit._writing import Writing

__all__ = ["Writer"]

_log = logging.getLogger("busway.audit")


class Writer:
    """Takes events in, and brings them to the disk from a thread that begins with the first one.

    The thread knows nothing of who owns this; his finalizer is to call `abandon`.

    Ordering: the trail's order is that of `accept`, whoever calls, from wherever.

    Args:
        buffer: what was accepted; its lock guards all that the thread and the callers share.
        writing: what brings it to the disk.
        due: when it does so unasked.
    """

    def __init__(self, buffer: Buffer, writing: Writing, due: Due) -> None:
        self._buffer = buffer
        self._writing = writing
        self._due = due
        self._process = os.getpid()
        self._wake = threading.Condition(buffer.lock)
        self._thread: threading.Thread | None = None
        self._at_exit: AtExit | None = None
        self._flushes: list[Future[None]] = []
        self._closes: list[Future[None]] = []
        self._room: Future[None] | None = None
        self._is_ending = False
        self._disk = threading.Lock()  # held while the disk works

    def accept(self, entry: Snapshot | Encoded, *, urgent: bool = False) -> bool:
        """Keep an event until it is durable; False if there is no room.

        Args:
            entry: the event.
            urgent: whether it is to be written at once.
        """
        with self._buffer.lock:
            count = self._buffer.offer(entry)
            if urgent or self._thread is None or self._due.may_change(count):
                self._due.note(count, urgent=urgent)
                self._stir()
        if self._is_ending:
            self._end()
        return count > 0

    def drop(self, entry: Snapshot | Encoded) -> None:
        """Count an event as dropped; its place in the trail is marked."""
        with self._buffer.lock:
            begins = self._buffer.drop()
        if begins:
            self._writing.tell_dropped(entry)

    def room(self) -> Future[None]:
        """A future of the time when an event may be offered again; not to be cancelled."""
        with self._buffer.lock:
            if self._room is None:
                self._room = Future()
            room = self._room
            self._stir()
        self._give_room()
        return room

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
                self._flushes.append(done)
                self._stir()
            else:
                done.set_result(None)
        return done

    def close(self) -> Future[None]:
        """As `flush`; then, whether it succeeded or not, leave the trail and end the thread.

        The next event is accepted as ever, and begins both anew.
        """
        done: Future[None] = Future()
        with self._buffer.lock:
            if len(self._buffer) or self._thread is not None:
                self._closes.append(done)
                self._stir()
            else:
                done.set_result(None)
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
        if self._thread is None and not self._is_ending:
            thread = threading.Thread(target=self._run, name="busway-audit", daemon=True)
            thread.start()
            self._thread = thread
            self._at_exit = self._at_exit or AtExit(self.abandon)
        self._wake.notify()

    def _run(self) -> None:
        is_over = False
        while not is_over:
            with self._buffer.lock:
                while not self._has_work():
                    self._wake.wait(self._due.patience(len(self._buffer)))
                flushes, self._flushes = self._flushes, []
                closes, self._closes = self._closes, []
                self._due.begin()
            error: Exception | None = None
            if flushes or len(self._buffer):
                error = self._write(asked=bool(flushes or closes))
            if self._is_ending or closes:
                is_over = self._leave(error)
            for one in flushes + closes:
                one.set_exception(error) if error else one.set_result(None)

    def _has_work(self) -> bool:
        if self._flushes or self._closes or self._is_ending:
            return True
        wanted, refused = self._room is not None, bool(self._writing.error)
        return self._due.is_now(len(self._buffer), wanted=wanted, refused=refused)

    def _write(self, *, asked: bool) -> Exception | None:
        """Write all that there is by now; the error, if the disk refused."""
        with self._disk:
            try:
                self._writing.write(self._buffer.added, asked=asked, written=self._give_room)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
                self._due.refuse()
                return error
        return None

    def _give_room(self) -> None:
        with self._buffer.lock:
            if self._room is None or not self._buffer.has_room:
                return
            room, self._room = self._room, None
        room.set_result(None)

    def _leave(self, error: Exception | None) -> bool:
        """Leave the trail, and end, unless there is more to write, and a disk that takes it."""
        with self._disk:
            self._writing.close()
        with self._buffer.lock:
            if len(self._buffer) and error is None and not self._is_ending:
                return False
            self._thread = None
            if self._at_exit is not None and not len(self._buffer):
                self._at_exit.cancel()
                self._at_exit = None
            room, self._room = self._room, None
        if room is not None:  # who waits will try again, and so begin another thread
            room.set_result(None)
        return True

    def _end(self) -> None:
        """Write what is left, and leave the trail, in the calling thread."""
        with self._disk:
            try:
                if len(self._buffer):
                    self._writing.write(self._buffer.added, asked=True, written=self._give_room)
            except Exception:  # noqa: BLE001 - whatever it is, it is told
                _log.exception("%d events are lost", self._buffer.pending)
            self._writing.close()
