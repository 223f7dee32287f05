"""What `busway doctor` is told of an outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from busway_outbox._store import statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway_outbox._store.database import Database

__all__ = ["diagnose"]

_COUNTED = 10_000


def diagnose(database: Database, lease: float) -> list[str]:
    """A sentence for each thing that is wrong."""
    if not database.exists():
        return []
    try:
        with database.transaction():
            return list(_findings(database, lease))
    except Exception as error:  # noqa: BLE001 - told
        return [f"the outbox {database.shown} refuses: {error}. Mend that, or the setting url"]
    finally:
        database.close()


def _findings(database: Database, lease: float) -> Iterator[str]:
    sql = database.dialect.sql
    ((dead,),) = database.all(sql(statements.COUNT_DEAD))
    if dead:
        yield (
            f"{dead} events were given up: busway outbox list --state dead tells why, and busway "
            "outbox retry brings them back"
        )
    nobody = database.list_of(cast("list[str]", []))
    late = database.all(sql(statements.UNCLAIMED), (2 * lease, _COUNTED, nobody, nobody))
    for handler, type_, rows in late:
        yield (
            f"{rows} events {type_} are long due for {handler}, and no process takes them: start a "
            f"bus that has it, or busway outbox discard --handler {handler}"
        )
