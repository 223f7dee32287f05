"""The connections of callers: sqlite3's, psycopg's, SQLAlchemy's and Django's.

None of these libraries is imported unless a connection of it was given: then it is there already.
What is done by them is told as a generator that yields statements and is sent their rows, so that
it is written once for those that are awaited and those that are not.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar, cast

from busway_outbox._store.dialect import POSTGRES, SQLITE, Dialect
from busway_outbox.exceptions import OutboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["Rows", "Steps", "dialect_of", "drive", "drive_async", "is_awaited", "need_transaction"]

_R = TypeVar("_R")
Rows: TypeAlias = Sequence[Sequence[object]]
Steps: TypeAlias = Generator[tuple[str, Sequence[object]], Rows, _R]
"""Statements, each with `?` and its parameters, for the rows that they return; then a result."""

_KINDS: Final = (
    "a sqlite3.Connection, a psycopg Connection or AsyncConnection, SQLAlchemy's Connection, "
    "Session, AsyncConnection or AsyncSession, or Django's connection is expected"
)
_IDLE: Final = 0
"""libpq's PQTRANS_IDLE."""
_VENDORS: Final = {"sqlite": SQLITE, "postgresql": POSTGRES}


class _Cursor(Protocol):
    """Of the DB-API."""

    description: object
    row_factory: object

    def execute(self, sql: str, parameters: Sequence[object], /) -> object:
        """Run a statement."""

    def fetchall(self) -> Rows:
        """The rows."""


def _library(connection: object) -> str:
    """The library that a connection is of."""
    for one in type(connection).__mro__:
        name = one.__module__.partition(".")[0]
        if name in ("sqlite3", "psycopg", "sqlalchemy", "django"):
            return name
    raise OutboxError(f"{_KINDS}, not a {type(connection).__name__}")


def is_awaited(connection: object) -> bool:
    """Whether it is one that is awaited."""
    return _library(connection) in ("psycopg", "sqlalchemy") and any(
        one.__name__.startswith("Async") for one in type(connection).__mro__
    )


def dialect_of(connection: object) -> Dialect:
    """The dialect of the database that it goes to.

    Raises:
        OutboxError: if there is no store for it.
    """
    library = _library(connection)
    if library == "sqlite3":
        return SQLITE
    if library == "psycopg":
        return POSTGRES
    vendor = _vendor_of_sqlalchemy(connection) if library == "sqlalchemy" else _vendor(connection)
    if vendor not in _VENDORS:
        raise OutboxError(f"there is an outbox in SQLite and PostgreSQL, not in {vendor}")
    return _VENDORS[vendor]


def need_transaction(connection: object) -> None:
    """Refuse a connection that commits each statement by itself.

    Raises:
        OutboxError: if it does; SQLAlchemy's are not asked.
    """
    if _commits_each(connection, _library(connection)):
        raise OutboxError(
            "this connection is in no transaction, and commits each statement by itself: what is "
            "written together could stand in part. Begin a transaction"
        )


def _commits_each(connection: object, library: str) -> bool:
    told = partial(getattr, connection)
    if library == "sqlite3":
        by_itself = told("isolation_level", "") is None or told("autocommit", -1) is True
        return by_itself and not told("in_transaction")
    if library == "psycopg":
        return bool(told("autocommit")) and told("info").transaction_status == _IDLE
    if library == "django":
        return bool(told("get_autocommit")()) and not told("in_atomic_block")
    return False


def drive(connection: object, steps: Steps[_R]) -> _R:
    """Run statements by a connection.

    Raises:
        OutboxError: if it is one that is awaited.
    """
    if is_awaited(connection):
        steps.close()
        raise OutboxError("this connection is awaited: use add_async")
    library = _library(connection)
    if library == "sqlalchemy":
        return _run(steps, lambda sql, values: _by_sqlalchemy(connection, sql, values))
    mark = "?" if library == "sqlite3" else "%s"
    cursor = cast("_Cursor", connection.cursor(**_plain(library)))  # type: ignore[attr-defined]  # as all of these
    if library == "sqlite3":
        cursor.row_factory = None
    try:
        return _run(steps, lambda sql, values: _by_cursor(cursor, sql.replace("?", mark), values))
    finally:
        cursor.close()  # type: ignore[attr-defined]


async def drive_async(connection: object, steps: Steps[_R]) -> _R:
    """Run statements by a connection that is awaited.

    Raises:
        OutboxError: if it is none that is awaited.
    """
    if not is_awaited(connection):
        steps.close()
        raise OutboxError("this connection is not awaited: use add")
    if _library(connection) == "sqlalchemy":
        run_sync = cast("Callable[..., Awaitable[_R]]", connection.run_sync)  # type: ignore[attr-defined, explicit-any]
        return await run_sync(drive, steps)
    async with connection.cursor(**_plain("psycopg")) as cursor:  # type: ignore[attr-defined]
        step = next(steps)
        try:
            while True:
                sql, values = step
                await cursor.execute(sql.replace("?", "%s").encode(), values)
                step = steps.send([] if cursor.description is None else await cursor.fetchall())
        except StopIteration as end:
            return cast("_R", end.value)


def _run(steps: Steps[_R], execute: Callable[[str, Sequence[object]], Rows]) -> _R:
    step = next(steps)
    try:
        while True:
            try:
                rows = execute(*step)
            except Exception as error:  # noqa: BLE001 - raised where the statement stands
                step = steps.throw(error)
            else:
                step = steps.send(rows)
    except StopIteration as end:
        return cast("_R", end.value)


def _plain(library: str) -> Mapping[str, object]:
    """What makes a cursor return tuples, whatever the caller wants of his connection."""
    if library != "psycopg":
        return {}
    from psycopg.rows import tuple_row  # it is there, since the connection is its own

    return {"row_factory": tuple_row}


def _by_cursor(cursor: _Cursor, sql: str, values: Sequence[object]) -> Rows:
    cursor.execute(sql, values)
    return [] if cursor.description is None else cursor.fetchall()


def _by_sqlalchemy(connection: object, sql: str, values: Sequence[object]) -> Rows:
    """By names for the parameters, which every driver under it takes."""
    from sqlalchemy import text  # it is there, since the connection is its own

    names = (f":p{n}" for n in count())
    named = text(re.sub(r"\?", lambda _: next(names), sql))
    bound = {f"p{n}": value for n, value in enumerate(values)}
    result = connection.execute(named, bound)  # type: ignore[attr-defined]
    return result.fetchall() if result.returns_rows else []


def _vendor_of_sqlalchemy(connection: object) -> str:
    """Of a session, that of the connection in its transaction."""
    for inner in ("sync_session", "sync_connection"):  # of those that are awaited
        connection = getattr(connection, inner, None) or connection
    bound = connection if hasattr(connection, "dialect") else connection.get_bind()  # type: ignore[attr-defined]
    return str(bound.dialect.name)


def _vendor(connection: object) -> str:
    return str(getattr(connection, "vendor", "no database"))
