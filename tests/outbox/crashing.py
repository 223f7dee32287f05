"""A process that dies at the n-th of its steps: before or after a statement, or in a handler."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import psycopg

__all__ = ["Steps"]


class Steps:
    """Counts the steps of this process, and ends it at one of them, as `kill -9` does.

    Args:
        last: at which; none if 0.
    """

    def __init__(self, last: int) -> None:
        self.made = 0
        self._last = last
        self._lock = threading.Lock()  # the writer has a thread

    def step(self) -> None:
        with self._lock:
            self.made += 1
            if self.made == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # it comes at once, but not before this returns

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.step()
            try:
                return function(*args, **kwargs)
            finally:
                self.step()

        return call

    def install(self) -> None:
        """Before and after each statement of either database; BEGIN and COMMIT are some, too."""
        steps = self

        class Connection(sqlite3.Connection):
            execute = steps.around(sqlite3.Connection.execute)
            executemany = steps.around(sqlite3.Connection.executemany)

        connect = sqlite3.connect
        sqlite3.connect = lambda *args, **options: connect(*args, factory=Connection, **options)  # type: ignore[assignment]
        for thing, name in (
            (psycopg.Cursor, "execute"),
            (psycopg.Cursor, "executemany"),
            (psycopg.Cursor, "nextset"),
            (psycopg.Transaction, "__enter__"),
            (psycopg.Transaction, "__exit__"),
        ):
            setattr(thing, name, self.around(getattr(thing, name)))
