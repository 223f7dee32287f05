"""One call for all that load the same thing at the same time, on whichever loops and threads."""

from __future__ import annotations

import asyncio
import enum
import os
from concurrent.futures import Future
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

__all__ = ["ABANDONED", "Flights"]


class _Abandoned(enum.Enum):
    ABANDONED = enum.auto()


ABANDONED: Final = _Abandoned.ABANDONED
"""Instead of a value: whoever was loading it was cancelled."""


class _Failure(NamedTuple):
    """Not the future's exception: asyncio makes cancellations of some of those."""

    error: Exception


_Flight: TypeAlias = "Future[object]"
_aboard: ContextVar[tuple[_Flight, ...]] = ContextVar("busway_cache_aboard", default=())


class Flights:
    """Loads on their way, by ticket: the first to ask runs the load, in its own task, others wait.

    There is no task of its own that could outlive its owner: if the one that runs a load is
    cancelled, those who wait are told so and ask again, and the first of them runs it anew.

    Threads: any. The one that loads and those that wait may be on different loops.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._flights: dict[Hashable, _Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def run(
        self,
        ticket: Hashable,
        load: Callable[[], Awaitable[object]],
        joined: Callable[[], None],
    ) -> object | Literal[_Abandoned.ABANDONED]:
        """What `load` returns, or what that of another returns who was first.

        Args:
            ticket: those with equal ones share a call.
            load: called at most once, and not by those who wait.
            joined: called by those who wait.

        Returns:
            The value, or ABANDONED if the one who loaded was cancelled.

        Raises:
            Exception: what `load` raised, to all of them.
        """
        ticket = (os.getpid(), ticket)  # what a parent was loading arrives in no child
        with self._lock:
            flight = self._flights.get(ticket)
            if flight is None:
                mine = self._flights[ticket] = Future()
                mine.set_running_or_notify_cancel()  # so that none who waits can cancel it
        if flight is None:
            return await self._lead(ticket, mine, load)
        if flight in _aboard.get():  # a loader reads what it is loading: it would wait for itself
            return await load()
        joined()
        outcome = await asyncio.wrap_future(flight)
        if isinstance(outcome, _Failure):
            raise outcome.error
        return outcome

    async def _lead(
        self, ticket: Hashable, flight: _Flight, load: Callable[[], Awaitable[object]]
    ) -> object:
        token = _aboard.set((*_aboard.get(), flight))
        try:
            value = await load()
        except Exception as error:
            self._land(ticket)
            flight.set_result(_Failure(error))
            raise
        except BaseException:
            self._land(ticket)
            flight.set_result(ABANDONED)
            raise
        finally:
            _aboard.reset(token)
        self._land(ticket)
        flight.set_result(value)
        return value

    def _land(self, ticket: Hashable) -> None:
        with self._lock:
            del self._flights[ticket]
