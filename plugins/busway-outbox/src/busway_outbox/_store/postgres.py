"""A store in PostgreSQL, by psycopg."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from busway_outbox._store.dialect import POSTGRES, TABLE
from busway_outbox._store.statements import RECORD
from busway_outbox.exceptions import OutboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    import psycopg

    from busway_outbox._store.database import Delivery, Recorded

__all__ = ["Postgres"]

_PATIENCE: Final = 10
"""Seconds that connecting may take."""
_READ_ONLY: Final = "25006"
_OF_ONE: Final = ("40", "54")
"""The classes of errors that are those of one operation: rolled back, or too long for an index."""
_LOCK: Final = 0x62757377
"""The advisory lock under which the table is made: two that make it at once would collide."""


class Postgres:
    """A database; `synchronous_commit` is on for each transaction, whatever its default is.

    Args:
        url: what psycopg connects to.
        makes: whether the table is made, if it is not there.
    """

    def __init__(self, url: str, *, makes: bool = True) -> None:
        self._makes = makes
        self.dialect = POSTGRES
        self._url = url
        parts = urlsplit(url)
        self.shown = f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._connection: psycopg.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction."""
        connection = self._open()
        try:
            with connection.transaction():
                yield
        except BaseException:
            if connection.broken:
                self.close()
            raise

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """The rows that a statement returns."""
        return self._open().execute(sql.encode(), parameters).fetchall()

    def record(
        self, deliveries: Sequence[Delivery], lease: float, owner: str
    ) -> list[Recorded | None]:
        """Record deliveries, all by one statement: each takes the server a while to plan."""
        columns = [list(column) for column in zip(*deliveries, strict=True)]
        rows = self.all(self.dialect.sql(RECORD), (lease, owner, *columns))
        found = {tuple(row[2:]): cast("Recorded", row[:2]) for row in rows}
        return [found.get(one[:2]) for one in deliveries]

    def many(self, sql: str, parameters: Sequence[Sequence[object]]) -> None:
        """Run a statement for each of the parameters, which all go in one pipeline."""
        with self._open().cursor() as cursor:
            cursor.executemany(sql.encode(), parameters)

    def list_of(self, values: Sequence[str] | Sequence[int]) -> object:
        """A list."""
        return list(values)

    def exists(self) -> bool:
        """It may hold anything."""
        return True

    def is_out(self, error: Exception) -> bool:
        """Away, full, or not to be written to; two that waited for each other can try again."""
        library = _import()
        state = getattr(error, "sqlstate", None) or ""
        is_its = isinstance(error, library.OperationalError | library.InterfaceError)
        return state == _READ_ONLY or (is_its and not state.startswith(_OF_ONE))

    async def listen(self, heard: Callable[[], object]) -> None:
        """Call `heard` when somebody has added something; goes on until it is cancelled."""
        library = _import()
        while True:
            with suppress(library.Error):  # the writer tells of a server that is away
                connection: psycopg.AsyncConnection = await library.AsyncConnection.connect(
                    self._url, autocommit=True, application_name="busway-outbox"
                )
                async with connection:
                    await connection.execute(f"LISTEN {TABLE}")
                    heard()  # for what came before
                    async for _ in connection.notifies():
                        heard()
            await asyncio.sleep(_PATIENCE)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it may be broken
                connection.close()

    def _open(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> psycopg.Connection:
        connection: psycopg.Connection = _import().connect(
            self._url,
            autocommit=True,
            connect_timeout=_PATIENCE,
            application_name="busway-outbox",
            prepare_threshold=None,  # a pooler between may not keep what was prepared
        )
        try:
            connection.execute("SET synchronous_commit = on")
            if self._makes:
                self._make(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self, connection: psycopg.Connection) -> None:
        if connection.execute("SELECT to_regclass(%s)", (TABLE,)).fetchone() == (None,):
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                for statement in self.dialect.schema():
                    connection.execute(statement.encode())


def _import() -> ModuleType:
    """The library: an extra, imported when it is needed."""
    try:
        import psycopg
    except ImportError as error:
        raise OutboxError(
            "PostgreSQL needs psycopg: pip install 'busway-outbox[postgres]'"
        ) from error
    return psycopg
