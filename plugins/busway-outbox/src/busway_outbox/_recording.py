"""Around a durable handler: record before it runs, and tell how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from busway.exceptions import SkipHandler
from busway_outbox._encoding import encode
from busway_outbox._relay import RESUBMITTED
from busway_outbox._store.operations import Record
from busway_outbox._store.rows import ALL_HANDLERS
from busway_outbox.exceptions import OutboxError, UnrecordedError

if TYPE_CHECKING:
    from busway.events import Event
    from busway.handlers import Call, Handler
    from busway_outbox._ledger import Ledger
    from busway_outbox._store.rows import Lease
    from busway_outbox._writing.writer import Writer

__all__ = ["Recording"]


class _RecordedBefore(SkipHandler):
    """The row is done, dead, or at work elsewhere."""


class Recording:
    """Runs durable handlers.

    Args:
        writer: what records.
        ledger: what is told how they ended.
    """

    def __init__(self, writer: Writer, ledger: Ledger) -> None:
        self._writer = writer
        self._ledger = ledger
        self._beginning: dict[tuple[str, str], Handler] = {}
        self._encoded: tuple[Event | None, str] = None, ""

    async def run(self, event: Event, name: str, handler: Handler, call_next: Call) -> None:
        """Run one on an event, unless that is done, dead, or at work already.

        Raises:
            UnrecordedError: if it could not be recorded; the handler was not run.
            OutboxError: if another outbox on the bus has recorded it in the same database.
            SkipHandler: if it is not to run.
            BaseException: what the handler raises.
        """
        lease = self._resubmitted(event, name) or await self._record(event, name, handler)
        try:
            await call_next(event)
        except _RecordedBefore as error:
            two = OutboxError("two outboxes with one database are on this bus: remove one")
            self._ledger.ended(lease, two)
            raise two from error
        except BaseException as error:
            self._ledger.ended(lease, error)
            raise
        self._ledger.well(lease)

    def _resubmitted(self, event: Event, name: str) -> Lease | None:
        """The row that this outbox resubmits; a second call of the attempt is one of its own."""
        ledger, lease = RESUBMITTED.get() or (None, None)
        if lease is None or ledger is not self._ledger or lease.settled:
            return None
        if (lease.event_id, lease.handler) != (event.id, name):
            return None
        RESUBMITTED.set(None)  # what is published within is recorded as ever
        return lease

    async def _record(self, event: Event, name: str, handler: Handler) -> Lease:
        if name == ALL_HANDLERS:
            raise UnrecordedError(f"a durable handler is called {name}: give it another `name`")
        key = event.id, name
        if self._beginning.setdefault(key, handler) is not handler:
            raise UnrecordedError(
                f"two durable handlers are called {name}: give each a `name` of its own, or it "
                "cannot be known whose an event is; it was not handled by the second"
            )
        try:
            text, type_ = self._encode(event), event.type.value
            lease = await self._writer.ask(
                Record(event.id, name, type_, text, self._writer.owner, self._writer.lease)
            )
        finally:
            self._beginning.pop(key, None)
        if lease is None:
            raise _RecordedBefore(
                f"{event.type} {event.id} was recorded for {name} before: it is done, dead, or at "
                "work already"
            )
        return lease

    def _encode(self, event: Event) -> str:
        """An event that goes to several handlers is encoded once."""
        last, text = self._encoded
        if last is not event:
            text = encode(event)
            self._encoded = event, text
        return text
