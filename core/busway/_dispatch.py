"""Lanes: run one event, or many, through their handlers, concurrently and isolated.

Handlers share lanes. A lane is a task that takes (publication, subscription) pairs from one
iterator and awaits them one after another. It is started eagerly: if it comes back done, it has
run every handler; if it comes back waiting, the handler in it has suspended, and the next lane
takes over the rest. So a waiting handler always has a task of its own, and is the last that its
task runs, and all of them wait concurrently.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from itertools import chain, repeat
from typing import TYPE_CHECKING, TypeAlias

from busway._eager import EagerTask, start_eagerly
from busway._publication import CURRENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextvars import Context

    from busway._publication import Publication
    from busway.handlers import Subscription

    Pair: TypeAlias = tuple[Publication, Subscription]

__all__ = ["Lanes"]


class Lanes:
    """The lanes of one `publish`, or of one `publish_many`.

    Attributes:
        loop: the publisher's.
        stopped: the handlers that ended by cancellation after the lanes were cancelled: by the
            publisher, the bus's end, or an interrupt.
    """

    __slots__ = (
        "_cancelled",
        "_context",
        "_fatal",
        "_pairs",
        "_running",
        "_waiter",
        "loop",
        "stopped",
    )

    def __init__(self, publications: Sequence[Publication]) -> None:
        self.loop = asyncio.get_running_loop()
        self.stopped: set[Pair] = set()
        self._cancelled = False
        self._context = copy_context()
        self._pairs = chain.from_iterable(
            zip(repeat(one), one.subscriptions, strict=False) for one in publications
        )
        self._running: set[asyncio.Task[object]] = set()
        self._waiter: asyncio.Future[None] | None = None
        self._fatal: BaseException | None = None
        for one in publications:
            one.lanes = self

    def start(self) -> None:
        """Start every handler, in order; those that do not suspend have ended when it returns."""
        first = next(self._pairs, None)
        while first is not None and self._fatal is None:
            context = self._context.copy()
            start_eagerly(self._lane(first, context), self.loop, context)
            first = next(self._pairs, None)

    async def wait(self) -> None:
        """Wait for the handlers that have suspended.

        Raises:
            KeyboardInterrupt, SystemExit: if a handler raised one; the others were cancelled and
                awaited, and those that had not been started were left out.
            CancelledError: if the publisher is cancelled; the handlers were cancelled and awaited.
        """
        cancelled: asyncio.CancelledError | None = None
        try:
            while self._running:
                self._waiter = self.loop.create_future()
                try:
                    await self._waiter
                except asyncio.CancelledError as error:
                    cancelled = error
                    self.cancel()
            if self._fatal is not None:
                raise self._fatal
            if cancelled is not None:
                raise cancelled
        finally:
            cancelled = None  # it holds this frame by its traceback

    def cancel(self) -> None:
        """Cancel the handlers that are still running; on the lanes' own loop."""
        self._cancelled = True
        for lane in tuple(self._running):
            lane.cancel()

    async def _lane(self, first: Pair, context: Context) -> None:
        lane = asyncio.current_task(self.loop)
        assert isinstance(lane, EagerTask)  # noqa: S101 - for the type checker
        self._running.add(lane)
        current = None
        for publication, subscription in chain((first,), self._pairs):
            if publication is not current:
                current = publication
                CURRENT.set(publication)
                entered = copy_context()
            try:
                await subscription.call(publication.event)
            except (KeyboardInterrupt, SystemExit) as error:
                self._fatal = publication.exceptions[subscription] = error
                self.cancel()
            except BaseException as error:  # noqa: BLE001 - whatever it raises is its outcome
                publication.exceptions[subscription] = error
                if self._cancelled and isinstance(error, asyncio.CancelledError):
                    self.stopped.add((publication, subscription))
            if lane.cut or _differ(context, entered):
                break
        self._running.discard(lane)
        if not self._running and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _differ(context: Context, entered: Context) -> bool:
    """Whether a handler left a trace in its lane's context, which the next must not see."""
    try:
        return context != entered
    except BaseException:  # noqa: BLE001 - of a stranger's __eq__
        return True
