"""Counts by name, from whatever thread, for `health()`."""

from __future__ import annotations

from threading import Lock

__all__ = ["Counts"]


class Counts:
    """Counts that several threads add to; those named at first are told though they are 0."""

    def __init__(self, *names: str) -> None:
        self._counts = dict.fromkeys(names, 0)
        self._lock = Lock()

    def add(self, *names: str) -> None:
        """One more of each."""
        with self._lock:
            for name in names:
                self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, int | str]:
        """All of them, of one moment."""
        with self._lock:
            return dict(self._counts)
