"""One operation on its way to the database and back to who waits for it."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from busway_outbox._store.operations import Operation
    from busway_outbox._store.rows import Lease

__all__ = ["Job", "wake"]

_giving_up: Final = Lock()
"""Held for the moment in which it is decided who undoes what nobody waits for any more."""


class Job:
    """An operation, and what wakes who waits for it, if somebody does.

    Args:
        operation: what is to be done.
        woken: a future of his loop.

    Attributes:
        operation: what is to be done.
        woken: a future of the loop of who waits.
        result: what came of it.
        error: why nothing did.
    """

    __slots__ = ("_done", "_given_up", "error", "operation", "result", "woken")

    def __init__(
        self, operation: Operation[object], woken: asyncio.Future[None] | None = None
    ) -> None:
        self.operation = operation
        self.woken = woken
        self.result: object = None
        self.error: Exception | None = None
        self._done = False
        self._given_up = False

    def leases(self) -> Sequence[Lease]:
        """What it has leased."""
        if self.error is not None or self.result is None:
            return ()
        return self.operation.leases(self.result)

    def end(self) -> bool:
        """It is committed: whether its leases are to be given back, as nobody waits any more."""
        with _giving_up:
            self._done = True
            return self._given_up

    def give_up(self) -> bool:
        """Nobody waits any more: whether its leases are to be given back, as it is committed."""
        with _giving_up:
            self._given_up = True
            return self._done


def wake(waiting: Iterable[asyncio.Future[None] | None]) -> None:
    """Wake all who wait, by one call a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for woken in waiting:
        if woken is not None:
            by_loop.setdefault(woken.get_loop(), []).append(woken)
    for loop, its in by_loop.items():
        with suppress(RuntimeError):  # it is closed: nobody waits any more
            loop.call_soon_threadsafe(_wake_all, its)


def _wake_all(its: list[asyncio.Future[None]]) -> None:
    for woken in its:
        if not woken.done():
            woken.set_result(None)
