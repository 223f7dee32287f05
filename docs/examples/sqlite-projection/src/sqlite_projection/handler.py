"""The handler: takes logins from the bus to the read model, off the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from busway import Event, EventBus, EventHandler, EventType

from sqlite_projection.store import LoginStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["LoginCounts"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class LoginCounts(EventHandler):
    """Keeps in a SQLite file how often each user has logged in.

    An event counts once, however often it is handled. One thread does all that needs the disk, so
    the event loop never waits for it, and the file is written in the order of the events.

    Cancellation: an update that was begun is carried through.

    Args:
        path: the file; created if it is not there. Its folder must exist.
    """

    def __init__(self, path: str | Path = "logins.sqlite3") -> None:
        self._path = Path(path).absolute()
        self._thread = _one_thread()
        self._store: LoginStore | None = None
        self._counted = self._repeated = 0

    @property
    def event_types(self) -> list[EventType]:
        """Logins that succeeded."""
        return [EventType.USER_LOGIN]

    async def start(self, bus: EventBus) -> None:
        """Open the file, so that what is wrong with it is told now.

        Raises:
            OSError: if it cannot be opened.
        """
        await self._in_thread(self._opened)

    async def handle(self, event: Event) -> None:
        """Count a login.

        Raises:
            TypeError: if the payload names no user.
            OSError: if the file cannot be opened.
            sqlite3.Error: if it cannot be written; nothing of the event is counted then.
        """
        user_id = event.payload.get("user_id")
        if not isinstance(user_id, str):
            raise TypeError(f"user_id: a string is expected, not {type(user_id).__name__}")
        when = event.timestamp.astimezone(UTC).isoformat(timespec="microseconds")
        await self._in_thread(self._count, event.id, user_id, when)

    async def stop(self) -> None:
        """Close the file and end the thread; the next event would begin both anew."""
        thread, self._thread = self._thread, _one_thread()
        await asyncio.wrap_future(thread.submit(self._close))
        thread.shutdown()

    async def top(self, limit: int = 10) -> list[tuple[str, int]]:
        """Those who logged in most often, and how often."""
        return await self._in_thread(lambda: self._opened().top(limit))

    def health(self) -> Mapping[str, int | str]:
        """Events counted and passed over since it was made, and the file."""
        return {"counted": self._counted, "repeated": self._repeated, "path": str(self._path)}

    async def _in_thread(
        self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        return await asyncio.wrap_future(self._thread.submit(function, *args, **kwargs))

    def _opened(self) -> LoginStore:
        if self._store is None:
            try:
                self._store = LoginStore(self._path)
            except sqlite3.Error as error:
                raise OSError(f"{self._path} cannot be opened: {error}") from error
        return self._store

    def _count(self, event_id: str, user_id: str, when: str) -> None:
        if self._opened().count(event_id, user_id, when):
            self._counted += 1
        else:
            self._repeated += 1

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def _one_thread() -> ThreadPoolExecutor:
    """It starts its thread at the first call."""
    return ThreadPoolExecutor(1, thread_name_prefix="sqlite-projection")
