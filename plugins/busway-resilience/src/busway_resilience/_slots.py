"""Slots: so many at once, in whatever loops and threads, in the order of asking."""

from __future__ import annotations

import asyncio
from collections import deque
from threading import Lock

__all__ = ["Slots"]


class Slots:
    """A semaphore that belongs to no event loop.

    Ordering: who asks first is let in first.
    Cancellation: one that is cancelled while it waits takes no slot.

    Args:
        most: how many slots there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._lock = Lock()

    @property
    def taken(self) -> int:
        """How many slots are taken."""
        return self._most - self._free

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiters)

    async def acquire(self) -> None:
        """Wait for a slot, and take it."""
        with self._lock:
            if self._free:  # then nobody waits
                self._free -= 1
                return
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if not self._withdraw(waiter):  # it was given a slot meanwhile
                self.release()
            raise

    def release(self) -> None:
        """Give a slot to the next who waits, or back; from whatever thread."""
        while True:
            with self._lock:
                if not self._waiters:
                    self._free += 1
                    return
                waiter = self._waiters.popleft()
            try:
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)
            except RuntimeError:  # its loop is closed, and nobody waits there any more
                continue
            return

    def _withdraw(self, waiter: asyncio.Future[None]) -> bool:
        with self._lock:
            if waiter not in self._waiters:
                return False
            self._waiters.remove(waiter)
            return True


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
