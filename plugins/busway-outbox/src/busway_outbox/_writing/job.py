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
    """An operation, and the loop in which somebody waits for it, if somebody does.

    Attributes:
        operation: what is to be done.
        result: what came of it.
        error: why nothing did.
    """

    __slots__ = ("_done", "_given_up", "_loop", "_woken", "error", "operation", "result")

    def __init__(
        self, operation: Operation[object], loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.operation = operation
        self.result: object = None
        self.error: Exception | None = None
        self._loop = loop
        self._woken: asyncio.Future[None] | None = None if loop is None else loop.create_future()
        self._done = False
        self._given_up = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop of who waits."""
        return self._loop

    async def wait(self) -> None:
        """Wait until it is done, or has failed."""
        if self._woken is not None:
            await self._woken

    def leases(self) -> Sequence[Lease]:
        """What it has leased."""
        if self.error is not None or self.result is None:
            return ()
        return self.operation.leases(self.result)

    def end(self) -> Sequence[Lease]:
        """It is committed: what is to be given back, if nobody waits any more."""
        with _giving_up:
            self._done = True
            return self.leases() if self._given_up else ()

    def give_up(self) -> Sequence[Lease]:
        """Nobody waits any more: what is to be given back, if it is committed already."""
        with _giving_up:
            self._given_up = True
            return self.leases() if self._done else ()

    def settle(self) -> None:
        """Wake who waits; in his loop."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


def wake(jobs: Iterable[Job]) -> None:
    """Wake all who wait, by one call a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if job.loop is not None:
            by_loop.setdefault(job.loop, []).append(job)
    for loop, its in by_loop.items():
        with suppress(RuntimeError):  # it is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle_all, its)


def _settle_all(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()
