"""The read model: one SQLite file, in which each event counts once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LoginStore"]

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;  -- so that readers do not hold up the writer
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logins (
    user_id TEXT PRIMARY KEY, count INTEGER NOT NULL, last TEXT NOT NULL
) WITHOUT ROWID;
"""
_SEE: Final = "INSERT INTO seen VALUES (?) ON CONFLICT DO NOTHING"
_COUNT: Final = """
INSERT INTO logins VALUES (?, 1, ?) ON CONFLICT (user_id)
DO UPDATE SET count = count + 1, last = max(last, excluded.last)
"""
_TOP: Final = "SELECT user_id, count FROM logins ORDER BY count DESC, user_id LIMIT ?"


class LoginStore:
    """Counts logins. It blocks, and belongs to the thread that makes it.

    Args:
        path: the file; created if it is not there.

    Raises:
        sqlite3.Error: if it cannot be opened; so do the methods, if it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        try:
            self._database.executescript(_SCHEMA)
        except BaseException:
            self.close()
            raise

    def count(self, event_id: str, user_id: str, when: str) -> bool:
        """Count a login, unless its event was counted before.

        Args:
            event_id: what tells one event from another.
            user_id: who logged in.
            when: in a form that sorts as time does.

        Returns:
            Whether it was counted now.
        """
        with self._database:  # one transaction: the event is seen and counted, or neither
            if not self._database.execute(_SEE, (event_id,)).rowcount:
                return False
            self._database.execute(_COUNT, (user_id, when))
        return True

    def top(self, limit: int) -> list[tuple[str, int]]:
        """Those who logged in most often, and how often."""
        with closing(self._database.execute(_TOP, (limit,))) as rows:
            return list(rows)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
