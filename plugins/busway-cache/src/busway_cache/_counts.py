"""Counters by name, for any thread."""

from __future__ import annotations

from collections import Counter
from threading import Lock

__all__ = ["Counts"]


class Counts:
    """Counts since it was made; those named at first are there from the start."""

    def __init__(self, *names: str) -> None:
        self._counts = Counter(dict.fromkeys(names, 0))
        self._lock = Lock()

    def add(self, name: str, more: int = 1) -> None:
        """Count so many more."""
        with self._lock:
            self._counts[name] += more

    def read(self) -> dict[str, int]:
        """All counts of this moment: a copy."""
        with self._lock:
            return dict(self._counts)
