"""Counts: kept by several threads at once."""

from __future__ import annotations

from threading import Lock

__all__ = ["Counts"]


class Counts:
    """Counts by name.

    Args:
        names: the names; each begins with 0.
    """

    def __init__(self, *names: str) -> None:
        self._counts = dict.fromkeys(names, 0)
        self._lock = Lock()

    def add(self, name: str) -> None:
        """One more."""
        with self._lock:
            self._counts[name] += 1

    def read(self) -> dict[str, int]:
        """All of them, of one moment."""
        with self._lock:
            return dict(self._counts)
