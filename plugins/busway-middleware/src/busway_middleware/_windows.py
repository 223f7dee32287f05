"""Moving windows in memory, of a bounded number of keys: a storage for `limits`.

The one that comes with `limits` starts a thread every 10 ms in which a limit is asked, which walks
through all keys, and keeps every key that it has ever seen.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from threading import Lock
from typing import TYPE_CHECKING

from limits.storage import MovingWindowSupport, Storage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MovingWindows"]


class MovingWindows(Storage, MovingWindowSupport):
    """When each key was last let through; the least recently asked for is given up first.

    Args:
        max_keys: how many keys are remembered.
        clock: tells the time in seconds; one that is set back would hold up everybody.

    Attributes:
        evicted: keys that were given up while they still counted.
    """

    def __init__(self, max_keys: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.evicted = 0
        self._max_keys = max_keys
        self._clock = clock
        self._windows: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._windows)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Whether `amount` more are within the limit; if so they count."""
        with self._lock:
            now = self._clock()
            window = self._window(key, limit, now - expiry)
            oldest_that_matters = len(window) - 1 - (limit - amount)
            if amount > limit or (
                oldest_that_matters >= 0 and window[oldest_that_matters] >= now - expiry
            ):
                return False
            window.extend([now] * amount)
            return True

    def get_moving_window(
        self,
        key: str,
        limit: int,  # noqa: ARG002 - as `limits` calls it
        expiry: int,
    ) -> tuple[float, int]:
        """When the window begins, and how many it holds."""
        with self._lock:
            begin = self._clock() - expiry
            held = [one for one in self._windows.get(key, ()) if one >= begin]
            return (held[0], len(held)) if held else (begin + expiry, 0)

    def clear(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._windows.pop(key, None)

    def reset(self) -> int:
        """Forget all; how many they were."""
        with self._lock:
            count = len(self._windows)
            self._windows.clear()
            return count

    def check(self) -> bool:
        """Memory is there."""
        return True

    @property
    def base_exceptions(self) -> type[Exception]:
        """What it may raise: nothing of its own."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Of fixed windows, which this has none of."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """Of fixed windows, which this has none of."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Of fixed windows, which this has none of."""
        raise NotImplementedError

    def _window(self, key: str, limit: int, begin: float) -> deque[float]:
        """A key's window, now the most recently asked for."""
        window = self._windows.get(key)
        if window is not None:
            self._windows.move_to_end(key)
            return window
        if len(self._windows) >= self._max_keys:
            _, given_up = self._windows.popitem(last=False)
            self.evicted += bool(given_up) and given_up[-1] >= begin
        return self._windows.setdefault(key, deque(maxlen=limit))
