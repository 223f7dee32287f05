"""What a database is to the store: a connection of one thread, and transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from busway_outbox._store.postgres import Postgres
from busway_outbox._store.sqlite import Sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from busway_outbox._store.dialect import Dialect

__all__ = ["Database", "Delivery", "Recorded", "database_of"]

Parameters: TypeAlias = "Sequence[object]"
Row: TypeAlias = "tuple[object, ...]"
Delivery: TypeAlias = "tuple[str, str, str, str]"
"""The event's id, the handler's name, the type of event, and the event as JSON."""
Recorded: TypeAlias = "tuple[int, int]"
"""The number of the row, and how many attempts were made."""


class Database(Protocol):
    """Is opened by the first transaction, and after a failure anew; used by one thread at a time.

    Attributes:
        dialect: of its SQL.
        shown: where it is, without a password.
    """

    dialect: Dialect
    shown: str

    def transaction(self) -> AbstractContextManager[None]:
        """Commits when it is left, durably; rolls back if it is left by an exception."""

    def all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """The rows that a statement returns."""

    def record(
        self, deliveries: Sequence[Delivery], lease: float, owner: str
    ) -> list[Recorded | None]:
        """Record deliveries that begin now, no two of one key: what is leased, in their order."""

    def many(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """Run a statement that returns nothing for each of the parameters."""

    def list_of(self, values: Sequence[str] | Sequence[int]) -> object:
        """Several values as one parameter."""

    def exists(self) -> bool:
        """Whether it may hold anything: a file that is not there does not."""

    def is_out(self, error: Exception) -> bool:
        """Whether an error is the database's, whatever it was asked for: locked, full, away."""

    async def listen(self, heard: Callable[[], object]) -> None:
        """Call `heard` when somebody has added something, if the database tells that."""

    def close(self) -> None:
        """Close the connection, if there is one."""


def database_of(url: str, *, makes: bool = True) -> Database:
    """The database of a URL; nothing is opened yet.

    Args:
        url: where.
        makes: whether the table is made if it is not there.
    """
    scheme, _, rest = url.partition(":")
    return Sqlite(rest, makes=makes) if scheme == "sqlite" else Postgres(url, makes=makes)
