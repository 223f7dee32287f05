"""The relay: what was not done is done again, and what was added is published."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from busway.events import event_types
from busway.exceptions import BusClosedError
from busway.handlers import handler_name
from busway_outbox._encoding import decode
from busway_outbox._store.operations import Claim, Measure, Purge
from busway_outbox._store.rows import ALL_HANDLERS, Depth
from busway_outbox.exceptions import OutboxError, UnrecordedError

if TYPE_CHECKING:
    from busway.bus import EventBus
    from busway.events import Event
    from busway.handlers import Handler
    from busway_outbox._ledger import Ledger
    from busway_outbox._store.database import Database
    from busway_outbox._store.rows import Lease, Unclaimed
    from busway_outbox._writing.writer import Writer

__all__ = ["RESUBMITTED", "Relay", "Times"]

_log = logging.getLogger("busway.outbox")
_MEASURED: Final = 10.0
"""Seconds between two counts."""
_SHORTEST: Final = 0.02
"""Seconds between two looks at the rows, when another process holds those that are due."""
_PURGED: Final = 1_000
"""Rows that are purged at once."""

RESUBMITTED: Final[ContextVar[tuple[Ledger, Lease] | None]] = ContextVar(
    "busway_outbox_lease", default=None
)
"""The row that is being resubmitted, and of which outbox: its interceptor is not to record it."""


@dataclass(frozen=True, slots=True)
class Times:
    """When the relay does what.

    Attributes:
        batch: how many rows it works on at once.
        poll: seconds between two looks at the rows, if nothing makes it look before.
        keep_done: seconds after which rows that are done are purged.
    """

    batch: int
    poll: float
    keep_done: float


class Relay:
    """Takes rows that are due, and delivers them; belongs to the loop that runs it.

    Args:
        bus: whose handlers they are for.
        writer: what leases them.
        database: where they are.
        ledger: what is told of their ends.
        times: when.

    Attributes:
        depth: how much is not over, as last counted.
        unclaimed: rows that are long due, and not for a handler that is here.
    """

    def __init__(
        self, bus: EventBus, writer: Writer, database: Database, ledger: Ledger, times: Times
    ) -> None:
        self.depth = Depth()
        self.unclaimed: list[Unclaimed] = []
        self._bus = bus
        self._writer = writer
        self._database = database
        self._ledger = ledger
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._nudged = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False
        self._measured = float("-inf")
        self._refused = ""
        self._told: set[tuple[str, str]] = set()

    def nudge(self) -> None:
        """Have it look at once; from any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._nudged.set)

    async def run(self) -> None:
        """Deliver, until the bus refuses events or this is cancelled."""
        listening = self._loop.create_task(self._listen(), name="busway outbox listener")
        try:
            while not self._is_over:
                self._nudged.clear()
                patience = await self._look_safely()
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._nudged.wait()
        finally:
            self._is_over = True
            listening.cancel()
            await asyncio.wait({listening})

    async def end(self) -> None:
        """Wait for what it has begun.

        Cancellation: cancels that, and waits for it.
        """
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _listen(self) -> None:
        """Hear of what others add; without it, that waits for the next look."""
        try:
            await self._database.listen(self._nudged.set)
        except Exception as error:  # noqa: BLE001 - told
            _log.warning("%s tells of no commits: %s", self._database.shown, error)

    async def _look_safely(self) -> float:
        try:
            return await self._look()
        except OutboxError as error:
            if not self._writer.error and str(error) != self._refused:  # else it was told
                self._refused = str(error)
                _log.error("the relay can take no rows: %s", error)
            return self._times.poll
        except Exception:  # noqa: BLE001 - told; whatever it is, rows are not to be left for it
            _log.exception("the relay failed, and goes on")
            return self._times.poll

    async def _look(self) -> float:
        """Take what is due, as much as there is room for; how long to wait then."""
        free = self._times.batch - len(self._tasks)
        if self._tasks and free < self._times.batch / 2:
            return self._times.poll  # the next that ends makes it look
        if not (self._writer.begun or self._database.exists()):
            return self._times.poll
        handlers, types = self._handlers(), list(event_types())
        names = [ALL_HANDLERS, *handlers]
        claim = Claim(names, types, free, self._writer.owner, self._writer.lease)
        claimed = await self._writer.ask(claim)
        for lease in claimed.leases:
            handler = None if lease.handler == ALL_HANDLERS else handlers[lease.handler]
            self._begin(lease, handler)
        await self._keep_house(names, types)
        if claimed.next_due is None:
            return self._times.poll
        return min(self._times.poll, max(_SHORTEST, claimed.next_due))

    def _handlers(self) -> dict[str, Handler]:
        """The handlers by name; of two that share one, it cannot be known whose a row is."""
        handlers = {handler_name(one): one for one in self._bus.handlers}
        shared = Counter(handler_name(one) for one in self._bus.handlers)
        return {name: one for name, one in handlers.items() if shared[name] == 1}

    def _begin(self, lease: Lease, handler: Handler | None) -> None:
        if self._ledger.is_beyond(lease):
            self._ledger.bury(lease, "the process ended during the last attempt")
            return
        task = self._loop.create_task(self._deliver(lease, handler), name="busway outbox")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._nudged.set()
        if not task.cancelled() and task.exception() is not None:
            _log.error("a row was not delivered", exc_info=task.exception())

    async def _deliver(self, lease: Lease, handler: Handler | None) -> None:
        try:
            event = decode(lease.event)
        except Exception as error:  # noqa: BLE001 - no attempt would read it
            self._ledger.bury(lease, f"cannot be read: {error}")
            return
        try:
            if handler is None:
                await self._publish(lease, event)
            else:
                await self._resubmit(lease, event, handler)
        except BusClosedError:
            self._is_over = True
        except Exception as error:  # noqa: BLE001 - the row tells it
            self._ledger.ended(lease, error)
        finally:
            if not lease.settled:
                self._ledger.give_back(lease)

    async def _publish(self, lease: Lease, event: Event) -> None:
        """Publish it; nobody but this row would publish it again, if it could not be recorded."""
        for outcome in (await self._bus.publish(event)).outcomes:
            if isinstance(outcome.exception, UnrecordedError):
                self._ledger.ended(lease, outcome.exception)
        self._ledger.well(lease)

    async def _resubmit(self, lease: Lease, event: Event, handler: Handler) -> None:
        """Deliver it; if it did not come to our interceptor, the outcome tells how it ended."""
        RESUBMITTED.set((self._ledger, lease))  # in the context of this task alone
        outcome = await self._bus.deliver(event, handler)
        if outcome.exception is None:
            self._ledger.well(lease)
        else:
            self._ledger.ended(lease, outcome.exception)

    async def _keep_house(self, names: list[str], types: list[str]) -> None:
        """Count, now and then, and purge what is long done."""
        if time.monotonic() < self._measured + _MEASURED:
            return
        late = max(self._writer.lease, self._times.poll)
        self.depth, self.unclaimed = await self._writer.ask(Measure(names, types, late))
        self._measured = time.monotonic()
        for one in self.unclaimed:
            if (one.handler, one.type) not in self._told:
                self._told.add((one.handler, one.type))
                _log.error(
                    "%d events %s wait for a handler %s that is not here, or is here twice: bring "
                    "it back, or busway outbox discard --handler %s",
                    one.rows,
                    one.type,
                    one.handler,
                    one.handler,
                )
        while await self._writer.ask(Purge("done", self._times.keep_done, _PURGED)) == _PURGED:
            pass
