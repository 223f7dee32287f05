"""See that a table is there, in a caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from busway_outbox._store.dialect import Dialect
    from busway_outbox._transactions.callers import Steps

__all__ = ["see_to"]

_LOCK = 0x62757377
"""The advisory lock of the store: two that make a table at once would collide."""


def see_to(table: str, schema: Sequence[str], dialect: Dialect) -> Steps[None]:
    """Make a table where it is not there; if the transaction fails, it is not there again."""
    if dialect.mark == "?":
        rows = yield "SELECT name FROM sqlite_master WHERE name = ?", (table,)
    else:
        rows = yield "SELECT to_regclass(?)::text", (table,)
    if rows and rows[0][0] is not None:
        return
    if dialect.mark != "?":
        yield "SELECT pg_advisory_xact_lock(?)", (_LOCK,)
    for statement in schema:
        yield statement, ()
