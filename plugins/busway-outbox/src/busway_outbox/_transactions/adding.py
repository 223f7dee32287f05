"""Add an event in a caller's own transaction."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

# what a handler publishes is caused by what it handles: here, as in publish()
from busway._publication import CURRENT
from busway_outbox._encoding import encode
from busway_outbox._store.dialect import SQLITE, TABLE
from busway_outbox._store.rows import ALL_HANDLERS
from busway_outbox._store.sqlite import Sqlite
from busway_outbox._store.statements import ADD
from busway_outbox._transactions.callers import dialect_of, drive, drive_async
from busway_outbox._transactions.tables import write
from busway_outbox.exceptions import OutboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from busway.events import Event
    from busway_outbox._store.database import Database
    from busway_outbox._store.dialect import Dialect
    from busway_outbox._transactions.callers import Steps

__all__ = ["add", "add_async"]


def add(database: Database, event: Event, connection: object, nudge: Callable[[], object]) -> Event:
    """Write an event into the outbox, and have somebody look when that is committed."""
    event = _caused(event)
    drive(connection, _adding(database, event, _dialect(database, connection)))
    if hasattr(connection, "vendor"):
        connection.on_commit(nudge)  # type: ignore[attr-defined]  # Django's
    return event


async def add_async(database: Database, event: Event, connection: object) -> Event:
    """Write an event into the outbox."""
    event = _caused(event)
    await drive_async(connection, _adding(database, event, _dialect(database, connection)))
    return event


def _caused(event: Event) -> Event:
    publication = CURRENT.get()
    return event if publication is None else publication.inherit(event)


def _dialect(database: Database, connection: object) -> Dialect:
    dialect = dialect_of(connection)
    if dialect is not database.dialect:
        raise _elsewhere(database)
    return dialect


def _adding(database: Database, event: Event, dialect: Dialect) -> Steps[None]:
    values = (event.id, ALL_HANDLERS, event.type.value, encode(event))
    if isinstance(database, Sqlite):
        rows = yield "PRAGMA database_list", ()
        if not _is_same(cast("str | bytes", rows[0][2]), database):
            raise _elsewhere(database)
    sql = dialect.sql(ADD).replace(dialect.mark, "?")
    yield from write(TABLE, dialect.schema(), dialect, sql, values)
    if dialect is not SQLITE:
        yield "SELECT pg_notify(?, '')", (TABLE,)


def _is_same(file: str | bytes, database: Sqlite) -> bool:
    """Whether a caller's file is the outbox's."""
    return bool(file) and os.path.realpath(os.fsdecode(file)) == os.path.realpath(database.path)


def _elsewhere(database: Database) -> OutboxError:
    return OutboxError(
        f"this connection does not go to the outbox's database, {database.shown}: nobody would "
        "publish what is added there. Set url to the database whose transaction it is"
    )
