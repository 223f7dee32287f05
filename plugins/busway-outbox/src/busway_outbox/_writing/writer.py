"""The writer: a thread of its own, in which alone the database works.

What is asked for while one commit is on its way shares the next one. So a hundred publishes at
once cost a few syncs of the disk, not a hundred.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar, cast

from busway_outbox._store.operations import Beat, Nothing, release
from busway_outbox._writing.committing import Committing
from busway_outbox._writing.job import Job, wake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway_outbox._store.database import Database
    from busway_outbox._store.operations import Operation, Settle
    from busway_outbox._store.rows import Lease

__all__ = ["Writer"]

_log = logging.getLogger("busway.outbox")
_R = TypeVar("_R")
_MOST: Final = 1_000
"""Operations of one transaction at most, so that the first of them is not held up by the rest."""
_AGAIN: Final = 1.0
"""Seconds after which it is tried again to settle what the database has refused."""
_LAST: Final = 30.0
"""Seconds that the interpreter's exit waits: what is not committed by then is tried again."""


class Writer:
    """Does operations in the order in which they come, in a thread that begins with the first.

    The thread knows nothing of who owns this; his finalizer is to call `abandon`.

    Args:
        database: where; used by the thread alone.
        owner: by what name rows are leased.
        lease: for how many seconds; prolonged at each third of that.

    Attributes:
        owner: by what name rows are leased.
        lease: for how many seconds.
        begun: whether anything was ever asked for.
    """

    def __init__(self, database: Database, owner: str, lease: float) -> None:
        self.owner = owner
        self.lease = lease
        self.begun = False
        self._committing = Committing(database)
        self._jobs: SimpleQueue[Job | Settle | None] = SimpleQueue()  # put() may interrupt itself
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._closing: list[asyncio.Future[None]] = []
        self._held: set[int] = set()
        self._beaten = 0.0

    @property
    def error(self) -> str:
        """Why the database refuses, while it does."""
        return self._committing.error

    async def ask(self, operation: Operation[_R]) -> _R:
        """Have an operation committed.

        Cancellation: what was taken by then is given back.

        Returns:
            Its result.

        Raises:
            OutboxError: if it failed; nothing of it was done.
        """
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        job = Job(cast("Operation[object]", operation), woken)
        self._put(job)
        try:
            await woken
        except BaseException:
            if job.give_up():
                self._give_back(job.leases())
            raise
        if job.error is not None:
            raise job.error
        return cast("_R", job.result)

    def settle(self, settle: Settle) -> None:
        """Have the end of an attempt committed, by and by: it is kept until that succeeds.

        From now on the row's lease is not prolonged.
        """
        self._held.discard(settle.seq)
        self._put(settle)

    async def flush(self) -> None:
        """Wait until all that was asked for so far is committed, or was refused."""
        if self._thread is not None:
            await self.ask(Nothing())

    async def close(self) -> None:
        """Commit what was asked for, close the database, and end the thread.

        The next operation begins both anew.
        """
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._starting:  # the thread may be about to end, told by another
            thread = self._thread
            if thread is None:
                return
            self._closing.append(ended)
            self._jobs.put(None)
        await ended
        thread.join()  # it has nothing left to do

    def abandon(self) -> None:
        """End the thread when it has committed what was asked for; nobody waits for that."""
        if self._thread is not None and os.getpid() == self._process:
            self._jobs.put(None)

    def before_fork(self) -> None:
        """Wait until the database has done what it is at, and close it."""
        self._committing.hold()

    def after_fork(self) -> None:
        """In the parent: go on."""
        self._committing.release()

    def leave_to_parent(self) -> None:
        """In a forked child, which does not have the thread: what it had to do is the parent's."""
        atexit.unregister(self._end)

    def _put(self, one: Job | Settle) -> None:
        with self._starting:
            self._jobs.put(one)
            if self._thread is None:
                self._begin()

    def _give_back(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            self.settle(release(lease, self.owner))

    def _begin(self) -> None:
        self.begun = True
        self._thread = threading.Thread(target=self._run, name="busway-outbox", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _end(self) -> None:
        """At the interpreter's exit: wait for what is on its way."""
        thread = self._thread
        if thread is not None:
            self.abandon()
            thread.join(_LAST)

    def _run(self) -> None:
        closing = False
        while True:
            jobs, ends = self._take(wait=not closing)
            closing = closing or ends
            self._work(jobs)
            if closing and not self._goes_on():
                return

    def _take(self, *, wait: bool) -> tuple[list[Job], bool]:
        """What was asked for by now, and whether the end was; waits for something to do."""
        jobs: list[Job] = []
        patience = self._patience()
        for _ in range(_MOST):
            try:
                one = self._jobs.get(block=wait, timeout=patience)
            except Empty:
                break
            if one is None:
                return jobs, True
            wait = False
            if isinstance(one, Job):
                jobs.append(one)
            else:
                self._committing.owed.append(one)
        return jobs, False

    def _patience(self) -> float | None:
        if self._committing.owed:
            return min(_AGAIN, self.lease / 3)
        if self._held:
            return max(0.0, self._beaten + self.lease / 3 - time.monotonic())
        return None

    def _work(self, jobs: list[Job]) -> None:
        try:
            self._committing.commit(jobs)
            self._hold([lease for job in jobs for lease in job.leases()])
            for job in jobs:
                if job.end():
                    self._give_back(job.leases())
        finally:
            wake(job.woken for job in jobs)
        self._beat()

    def _hold(self, leases: Sequence[Lease]) -> None:
        """Prolong leases from now on, until the rows are settled."""
        if leases and not self._held:
            self._beaten = time.monotonic()
        self._held.update(one.seq for one in leases)

    def _beat(self) -> None:
        """Prolong the leases, a third of one after the last time."""
        now, held = time.monotonic(), self._held.copy()
        if not held or now < self._beaten + self.lease / 3:
            return
        self._beaten = now
        job = Job(Beat(sorted(held), self.owner, self.lease))
        self._committing.commit([job])
        if job.error is None:
            for seq in (held - cast("set[int]", job.result)) & self._held:
                self._held.discard(seq)
                _log.warning("the lease of row %d ran out while it was at work", seq)

    def _goes_on(self) -> bool:
        """Whether something was asked for since; if not, the thread ends."""
        with self._starting:
            if not self._jobs.empty():
                return True
            self._committing.close()
            self._thread = None
        atexit.unregister(self._end)
        self._tell_ended()
        return False

    def _tell_ended(self) -> None:
        closing, self._closing = self._closing, []
        wake(closing)
