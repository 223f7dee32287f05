"""The delivery: one thread with an event loop of its own, that serves all outboxes."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final, TypeVar

from busway_notify._delivery.at_exit import AtExit
from busway_notify._delivery.executor import DaemonExecutor
from busway_notify._delivery.outbox import LATE
from busway_notify._delivery.service import GRACE, Service
from busway_notify.exceptions import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from busway_notify._delivery.outbox import Outbox
    from busway_notify._delivery.parcel import Parcel

__all__ = ["Delivery"]

_log = logging.getLogger("busway.notify")

T = TypeVar("T")

_FULL: Final = "the queue was full"


class Delivery:
    """Takes parcels from any thread; a thread that begins with the first delivers them.

    So connections live on one loop, whichever loops the handler is called from, and whether they
    are still there or not. The thread knows nothing of who owns this.

    Args:
        outboxes: the queues.
        stop_timeout: seconds that delivery goes on at the interpreter's exit.
    """

    def __init__(self, outboxes: Sequence[Outbox], stop_timeout: float) -> None:
        self._outboxes = outboxes
        self._stop_timeout = stop_timeout
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._service: Service = Service((), self._leave)
        self._at_exit = AtExit(self.finish)

    def put(self, outbox: Outbox, parcel: Parcel) -> None:
        """Have a parcel delivered; it never waits. What a full queue does not take is lost."""
        with self._lock:
            is_taken = outbox.offer(parcel)
            if is_taken and self._begin():
                self._call(self._service.serve, outbox)
                return
        if is_taken:
            outbox.give_up(LATE)
        else:
            outbox.end(parcel, DeliveryError(_FULL))

    def close(self, timeout: float) -> Future[None]:
        """Go on for so many seconds; then give up what is left, and end the thread.

        Returns:
            A future of it; it has no exception.
        """
        done: Future[None] = Future()
        if os.getpid() != self._process:  # a forked child: all of this is its parent's
            done.set_result(None)
            return done
        with self._lock:
            if self._loop is None:
                done.set_result(None)
            else:
                self._service.closes.append(done)
                self._call(self._service.limit, timeout)
        return done

    def hurry(self) -> None:
        """If it is closing, give up what is left at once."""
        with self._lock:
            if self._service.closes:
                self._call(self._service.limit, 0.0)

    def finish(self) -> None:
        """Close, and wait for it, or until nothing moves: at the interpreter's exit."""
        thread, done = self._thread, self.close(self._stop_timeout)
        if thread is None or thread is threading.current_thread():
            return
        try:
            seconds, before = self._stop_timeout + 2 * GRACE, -1
            while not wait([done], seconds).done:  # many dead letters take long to write
                seconds, left = GRACE, sum(one.pending for one in self._outboxes)
                if left == before:
                    _log.error("the delivery of notifications did not end")
                    return
                before = left
        except BaseException:
            self.hurry()
            thread.join(GRACE)
            raise

    def _call(self, function: Callable[[T], None], argument: T) -> None:
        """Have the thread call it; the lock is held, and so the loop is there."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function, argument)

    def _begin(self) -> bool:
        """See that there is a thread; False if the process ends, and starts none any more."""
        if self._loop is not None:
            return True
        # Not the application's: another kind looks names up by itself, and would be waited for.
        loop = asyncio.SelectorEventLoop()
        service = Service(self._outboxes, self._leave)
        run = (loop, service)
        thread = threading.Thread(target=self._run, args=run, name="busway-notify", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            loop.close()
            if threading.main_thread().is_alive():
                raise
            return False
        self._loop, self._thread, self._service = loop, thread, service
        self._at_exit.begin()
        return True

    def _run(self, loop: asyncio.AbstractEventLoop, service: Service) -> None:
        loop.set_default_executor(DaemonExecutor())
        try:
            loop.run_until_complete(service.run())
        finally:
            loop.run_until_complete(_last_turns(loop))
            loop.close()
            with self._lock:
                if self._loop is loop:  # it broke
                    self._loop = self._thread = None
            for done in service.closes:
                done.set_result(None)

    def _leave(self) -> bool:
        """Whether nothing waits any more; what comes from now on begins a thread anew."""
        with self._lock:
            if any(outbox.wants_lane() for outbox in self._outboxes):
                return False
            self._loop = self._thread = None
            self._at_exit.cancel()
            return True


async def _last_turns(loop: asyncio.AbstractEventLoop) -> None:
    """Let transports that were closed or aborted end before the loop does."""
    await loop.shutdown_asyncgens()
    for _ in range(3):
        await asyncio.sleep(0)
