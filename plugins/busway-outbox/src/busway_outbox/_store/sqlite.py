"""A store in a file, by SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from busway_outbox._store.dialect import SQLITE
from busway_outbox._store.statements import RECORD
from busway_outbox.exceptions import OutboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from busway_outbox._store.database import Delivery, Recorded

__all__ = ["Sqlite"]

_PATIENCE: Final = 5.0
"""Seconds that another writer of the file is waited for."""
_PAUSE: Final = 0.01
"""Seconds between two tries where SQLite itself does not wait."""
_ROWS: Final = 64
"""Rows of one statement at most: it has six parameters for each."""
_OLDEST: Final = (3, 38, 0)
"""The first with `RETURNING` and `json_each`."""


class Sqlite:
    """A file, in WAL mode, each commit synced to the disk (`synchronous=FULL`).

    Args:
        path: where; it is made, for its owner alone, when it is first written to. A relative one
            is that of the moment this was made.
        makes: whether it is; else it is opened as it is.
    """

    def __init__(self, path: str, *, makes: bool = True) -> None:
        self._makes = makes
        self.dialect = SQLITE
        self.path = Path(path.removeprefix("//")).expanduser().absolute()
        self.shown = f"sqlite:{self.path}"
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction, which takes the lock at once: so no two wait for each other."""
        connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError):
                self.close()
            raise

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """The rows that a statement returns."""
        return self._open().execute(sql, parameters).fetchall()

    def record(
        self, deliveries: Sequence[Delivery], lease: float, owner: str
    ) -> list[Recorded | None]:
        """Record deliveries, many by one statement: each step gives up the interpreter's lock."""
        execute = self._open().execute
        found: dict[tuple[object, ...], Recorded] = {}
        left = [*deliveries]
        while left:
            count = min(_ROWS, 1 << len(left).bit_length() - 1)  # few lengths: they stay prepared
            rows, left = left[:count], left[count:]
            parameters = [value for one in rows for value in (*one, lease, owner)]
            for row in execute(_record_sql(count), parameters).fetchall():
                found[row[2:]] = row[:2]
        return [found.get(one[:2]) for one in deliveries]

    def many(self, sql: str, parameters: Sequence[Sequence[object]]) -> None:
        """Run a statement for each of the parameters."""
        self._open().executemany(sql, parameters)

    def list_of(self, values: Sequence[str] | Sequence[int]) -> object:
        """A JSON array."""
        return json.dumps(list(values))

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.exists()

    def is_out(self, error: Exception) -> bool:
        """Locked, full, read-only, gone, no database at all."""
        return isinstance(error, sqlite3.DatabaseError | OSError) and not isinstance(
            error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError
        )

    async def listen(self, heard: Callable[[], object]) -> None:
        """A file tells nobody of its changes."""

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if sqlite3.sqlite_version_info < _OLDEST:
                raise OutboxError(
                    f"SQLite {sqlite3.sqlite_version} is too old, 3.38 is needed: use another "
                    "build of Python, or PostgreSQL"
                )
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        if self._makes:
            self._make()
        connection = sqlite3.connect(
            self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            if self._makes:
                _turn_to_wal(connection)
                connection.execute("BEGIN IMMEDIATE")
                for statement in self.dialect.schema():
                    connection.execute(statement)
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """Events may hold what is nobody else's business: the file is its owner's alone."""
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


@cache
def _record_sql(rows: int) -> str:
    row = SQLITE.begun.removeprefix("VALUES ")
    return SQLITE._replace(begun=f"VALUES {', '.join([row] * rows)}").sql(RECORD)


def _turn_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite waits for no writer here, and another process may be making the table."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(_PAUSE)
        else:
            return
