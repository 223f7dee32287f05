"""One commit for all that was asked for, and what becomes of it if the database refuses."""

from __future__ import annotations

import logging
from threading import RLock
from typing import TYPE_CHECKING

from busway_outbox._store.operations import Nothing, run
from busway_outbox.exceptions import OutboxError, UnrecordedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from busway_outbox._store.database import Database
    from busway_outbox._store.operations import Operation, Settle
    from busway_outbox._writing.job import Job

__all__ = ["Committing"]

_log = logging.getLogger("busway.outbox")


class Committing:
    """Commits operations together; used by one thread, and held by another while that forks.

    Args:
        database: where.

    Attributes:
        database: where.
        owed: ends of attempts, nobody waits for them: committed with the next operations, and kept
            until that succeeds.
        error: why the database refuses, while it does.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.owed: list[Settle] = []
        self.error = ""
        self._working = RLock()

    def commit(self, jobs: Iterable[Job]) -> None:
        """Commit operations, and what is owed; each has its result, or its error, afterwards.

        If the database is at fault, all of them fail. Otherwise the fault is one of them, and
        each is committed alone, so that it harms no other.
        """
        asking = [job for job in jobs if not isinstance(job.operation, Nothing)]
        if self.owed or asking:
            with self._working:
                self._commit(asking)

    def hold(self) -> None:
        """Close the database, and keep it from being opened, until `release`.

        SQLite knows in the process's memory which locks that holds. A forked child would inherit
        the memory, and not the locks: it would write without them.
        """
        self._working.acquire()
        self.database.close()

    def release(self) -> None:
        """Let it be opened again."""
        self._working.release()

    def _commit(self, asking: list[Job]) -> None:
        try:
            results = self._transact([*self.owed, *(job.operation for job in asking)])
        except Exception as error:  # noqa: BLE001 - told to all who wait
            self._refuse(asking, error)
            return
        for job, result in zip(asking, results[len(self.owed) :], strict=True):
            job.result = result
        self._accept()

    def close(self) -> None:
        """Close the database; what is owed is lost: it is tried again when its lease has ended."""
        if self.owed:
            _log.error("the ends of %d attempts could not be recorded", len(self.owed))
            self.owed = []
        with self._working:
            self.database.close()

    def _transact(self, operations: list[Operation[object]]) -> list[object]:
        with self.database.transaction():
            return run(self.database, operations)

    def _refuse(self, asking: list[Job], error: Exception) -> None:
        alone = len(asking) + len(self.owed) == 1
        if isinstance(error, OutboxError) or self.database.is_out(error):
            self._note(error)
            for job in asking:
                job.error = self._unrecorded(error)
        elif alone:
            self._fail_alone(asking, error)
        else:
            self._commit_each(asking)

    def _commit_each(self, asking: list[Job]) -> None:
        owed, self.owed = self.owed, []
        for settle in owed:
            if self.error:
                self.owed.append(settle)
                continue
            kept, self.owed = self.owed, [settle]
            self.commit(())
            self.owed = kept + self.owed
        kept, self.owed = self.owed, []
        for job in asking:
            self.commit([job])
        self.owed = kept

    def _fail_alone(self, asking: list[Job], error: Exception) -> None:
        for settle in self.owed:
            _log.error(
                "the end of an attempt, row %d, cannot be recorded", settle.seq, exc_info=error
            )
        self.owed = []
        for job in asking:
            job.error = self._unrecorded(error)

    def _unrecorded(self, error: Exception) -> UnrecordedError:
        made = UnrecordedError(f"{self.database.shown}: {error}; nothing was recorded or handled")
        made.__cause__ = error
        return made

    def _note(self, error: Exception) -> None:
        if not self.error:
            _log.error("%s refuses: %s", self.database.shown, error)
        self.error = str(error) or type(error).__name__

    def _accept(self) -> None:
        self.owed = []
        if self.error:
            _log.warning("%s works again", self.database.shown)
        self.error = ""
