"""`idempotent`: an effect in a transaction, once for each event."""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeAlias, TypeVar, cast

from busway._names import name_of
from busway.events import Event
from busway.handlers import Handler, handler_name
from busway_outbox._store.dialect import SQLITE
from busway_outbox._transactions.callers import (
    dialect_of,
    drive,
    drive_async,
    is_awaited,
    need_transaction,
)
from busway_outbox._transactions.tables import write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from busway_outbox._store.dialect import Dialect
    from busway_outbox._transactions.callers import Steps

__all__ = ["idempotent"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Key: TypeAlias = tuple[str, str]
_TABLE: Final = "busway_effects"
_WRITE: Final = """
    INSERT INTO busway_effects (event_id, effect) VALUES (?, ?)
    ON CONFLICT DO NOTHING RETURNING event_id"""
_TAKE_BACK: Final = "DELETE FROM busway_effects WHERE event_id = ? AND effect = ?"
_NEEDED: Final = ("event", "connection")


def idempotent(function: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """Let a function have its effect once for each event, however often it is called with it.

    It has parameters `event` and `connection`, among others or not, sync or async. Before it runs,
    the event's id and the function's name are written by `connection`, in the transaction that the
    effect is in, into a table `busway_effects`, which is made if it is not there. So both are
    there, or neither is. An event that stands there already does not run it, and it returns None.
    If it raises, the key is taken back, and the caller is to roll back.

    Args:
        function: what has the effect, in that transaction and nowhere else. Its module and name
            are the key, or, of a handler's method, the handler's name and its own: rename it, and
            what was done is not known any more.

    Returns:
        The function, guarded.

    Raises:
        TypeError: if it lacks one of the parameters.
        OutboxError: when it is called, if the connection is in no transaction, and commits each
            statement by itself.

    >>> import sqlite3
    >>> from busway import Event
    >>> @idempotent
    ... def count(event, connection):
    ...     connection.execute("INSERT INTO logins VALUES (?)", (event.payload["user_id"],))
    >>> connection, event = sqlite3.connect(":memory:"), Event("user.login", {"user_id": 7})
    >>> _ = connection.execute("CREATE TABLE logins (user_id)")
    >>> for _ in range(3):
    ...     with connection:
    ...         count(event, connection)
    >>> connection.execute("SELECT * FROM logins").fetchall()
    [(7,)]
    >>> connection.close()
    """
    signature = inspect.signature(function)
    for needed in _NEEDED:
        if needed not in signature.parameters:
            raise TypeError(f"{name_of(function)} has no parameter {needed!r}: idempotent needs it")

    def told(*args: _P.args, **kwargs: _P.kwargs) -> tuple[object, _Key]:
        given: Mapping[str, object] = signature.bind(*args, **kwargs).arguments
        event, owner = given["event"], given.get("self")
        if not isinstance(event, Event):
            raise TypeError(f"event: an Event is expected, not {type(event).__name__}")
        need_transaction(given["connection"])
        if isinstance(owner, Handler):
            return given["connection"], (event.id, f"{handler_name(owner)}.{function.__name__}")
        return given["connection"], (event.id, name_of(function))

    if inspect.iscoroutinefunction(function):
        return cast("Callable[_P, _R | None]", _async(function, told))

    @wraps(function)
    def once(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        connection, key = told(*args, **kwargs)
        if not drive(connection, _writing(dialect_of(connection), key)):
            return None
        try:
            return function(*args, **kwargs)
        except BaseException:
            with suppress(Exception):  # PostgreSQL lets nothing more be done
                drive(connection, _taking_back(key))
            raise

    return once


def _async(
    function: Callable[_P, Awaitable[_R]], told: Callable[_P, tuple[object, _Key]]
) -> Callable[_P, Awaitable[_R | None]]:
    @wraps(function)
    async def once(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        connection, key = told(*args, **kwargs)
        if not await _drive_any(connection, _writing(dialect_of(connection), key)):
            return None
        try:
            return await function(*args, **kwargs)
        except BaseException:
            with suppress(Exception):
                await _drive_any(connection, _taking_back(key))
            raise

    return once


async def _drive_any(connection: object, steps: Steps[_R]) -> _R:
    """An async function may well use a connection that is not awaited."""
    if is_awaited(connection):
        return await drive_async(connection, steps)
    return drive(connection, steps)


def _writing(dialect: Dialect, key: _Key) -> Steps[bool]:
    """Write a key; whether it was not there."""
    return bool((yield from write(_TABLE, [_schema(dialect)], dialect, _WRITE, key)))


def _taking_back(key: _Key) -> Steps[None]:
    yield _TAKE_BACK, key


def _schema(dialect: Dialect) -> str:
    now = "CURRENT_TIMESTAMP" if dialect is SQLITE else "now()"
    kind = "TEXT" if dialect is SQLITE else "timestamptz"
    return (
        f"CREATE TABLE IF NOT EXISTS {_TABLE} (event_id TEXT NOT NULL, effect TEXT NOT NULL, "
        f"created {kind} NOT NULL DEFAULT {now}, PRIMARY KEY (event_id, effect))"
    )
