"""Concurrency limits: how many events a handler works on at once."""

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Final

from busway import Event
from busway.handlers import Call, Handler
from busway_resilience._settings import count_of
from busway_resilience._slots import Slots
from busway_resilience._states import State, States

__all__ = ["ConcurrencyInterceptor"]


class ConcurrencyInterceptor:
    """Lets a handler work on so many events at once; the others wait for their turn.

    The limit holds across event loops and threads. What a handler publishes while it runs, and
    gets to handle itself, takes no slot of its own: it could wait for itself.

    Ordering: events wait in the order in which they came.
    Cancellation: ends the waiting, and passes.

    Args:
        max_concurrency: how many.

    Raises:
        TypeError, ValueError: if that is no number of 1 at least.
    """

    name = "concurrency"
    enabled_by_default = False

    def __init__(self, *, max_concurrency: int) -> None:
        most = count_of("max_concurrency", max_concurrency, least=1)
        self._states = States(lambda handler: _Limit(handler, most))

    def __call__(self, handler: Handler, call_next: Call) -> Call:
        """The call of a handler, in its turn."""
        limit = self._states.of(handler)

        async def call(event: Event) -> None:
            outer = _HOLDING.get()
            if outer is not None and outer.holds(limit):
                await call_next(event)
                return
            await limit.slots.acquire()
            holding = _Holding(limit, outer)
            token = _HOLDING.set(holding)
            try:
                await call_next(event)
            finally:
                holding.over = True
                limit.slots.release()
                with suppress(ValueError):  # thrown away, it is closed in another context
                    _HOLDING.reset(token)

        return call

    def health(self) -> Mapping[str, int | str]:
        """`running_NAME` and `waiting_NAME`: events that a handler works on, and that wait."""
        told: dict[str, int | str] = {}
        for name, limit in self._states.named().items():
            told[f"running_{name}"] = limit.slots.taken
            told[f"waiting_{name}"] = limit.slots.waiting
        return told


class _Limit(State):
    """The slots of a handler."""

    def __init__(self, handler: Handler, most: int) -> None:
        super().__init__(handler)
        self.slots = Slots(most)


class _Holding:
    """A slot that is held by what runs, or by what waits for it.

    Attributes:
        limit: of which handler.
        outer: the slot that was held before.
        over: whether it was given back, though a task that was started meanwhile still runs.
    """

    def __init__(self, limit: _Limit, outer: "_Holding | None") -> None:
        self.over = False
        self.limit = limit
        self.outer = outer

    def holds(self, limit: _Limit) -> bool:
        one: _Holding | None = self
        while one is not None:
            if one.limit is limit and not one.over:
                return True
            one = one.outer
        return False


_HOLDING: Final[ContextVar[_Holding | None]] = ContextVar("busway_resilience_slot", default=None)
