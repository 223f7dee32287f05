"""Write into a table in a caller's transaction, and make it where it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from busway_outbox._store.dialect import SQLITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway_outbox._store.dialect import Dialect
    from busway_outbox._transactions.callers import Rows, Steps

__all__ = ["write"]

_LOCK: Final = 0x62757377
"""The advisory lock of the store: two that make a table at once would collide."""


def write(
    table: str, schema: Sequence[str], dialect: Dialect, sql: str, values: Sequence[object]
) -> Steps[Rows]:
    """Run a statement that writes; if the transaction fails, the table is not there again.

    SQLite's transaction begins with what it does first. If that reads, and another process writes
    before this one does, SQLite refuses at once, however patient the connection is. So here the
    first statement is the one that writes. PostgreSQL does not mind what is first, but ends a
    transaction in which a table was missed.
    """
    if dialect is SQLITE:
        try:
            return (yield sql, values)
        except Exception as error:
            if f"no such table: {table}" not in str(error):
                raise
    else:
        rows = yield "SELECT to_regclass(?)::text", (table,)
        if rows[0][0] is not None:
            return (yield sql, values)
        yield "SELECT pg_advisory_xact_lock(?)", (_LOCK,)
    for statement in schema:
        yield statement, ()
    return (yield sql, values)
