"""What a cache owes: a flush for each invalidation of which it is not known what it dropped."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Debt"]

_log = logging.getLogger("busway.cache")


class Debt:
    """Flushes asked for, and as many of them as have been done; for any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked = 0
        self._done = 0

    @property
    def owed(self) -> bool:
        """Whether one has still to be done."""
        return self._done < self._asked

    def owe(self, error: BaseException) -> None:
        """Something has failed that only a flush makes up for."""
        with self._lock:
            was_owed, self._asked = self.owed, self._asked + 1
        if not was_owed:
            _log.warning(
                "nothing cached is served until a flush succeeds: %s", type(error).__name__
            )

    async def guard(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step; if it fails, a flush is owed.

        Cancellation: passes, and is a failure.
        """
        try:
            await step()
        except BaseException as error:
            self.owe(error)
            raise

    async def settle(self, flush: Callable[[], Awaitable[None]]) -> None:
        """Flush: what was owed before it began is done if it succeeds, and owed still if not."""
        asked = self._asked
        await self.guard(flush)
        with self._lock:
            was_owed, self._done = self.owed, max(self._done, asked)
        if was_owed and not self.owed:
            _log.info("the cache is flushed, and served again")
