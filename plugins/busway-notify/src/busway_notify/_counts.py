"""Counters by name: what `health()` tells."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Counts"]


class Counts:
    """Counters by name, for any thread."""

    def __init__(self, *names: str) -> None:
        self._counts = Counter(dict.fromkeys(names, 0))
        self._lock = Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Count one more, or several."""
        with self._lock:
            self._counts[name] += count

    def read(self) -> Mapping[str, int]:
        """All counts of this moment: a copy."""
        with self._lock:
            return self._counts.copy()
