"""Publishing: line by line into events, and those through the bus, in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from busway import BusClosedError, EventError, MiddlewareError
from busway_cli._lines import Lines, parse_event
from busway_cli._streams import describe, tell

if TYPE_CHECKING:
    from busway import Event, EventBus
    from busway_cli._input import Input
    from busway_cli._progress import ProgressBar
    from busway_cli._rejects import Rejects
    from busway_cli._streams import Repeats
    from busway_cli._tally import Tally

__all__ = ["Publishing"]

_YIELD_EVERY: Final = 256  # lines; `publish` yields only if a handler does


class Publishing:
    """Publishes the events of an input, until its end or until it is stopped.

    Attributes:
        line: the number of the line it is at; blank ones count.
        read: lines that were not blank.
        rejected: lines that hold no event.
        published: events that were dispatched.
        blocked: events that a middleware stopped.
        failed: events that were not dispatched because something failed.
        broken_off: whether the input could not be read to its end.
        stopped: whether no more is to be published; may be set at any time.
    """

    def __init__(
        self,
        bus: EventBus,
        source: Input,
        *,
        rejects: Rejects,
        progress: ProgressBar,
        tally: Tally,
        told: Repeats,
    ) -> None:
        self.line = self.read = self.rejected = 0
        self.published = self.blocked = self.failed = 0
        self.broken_off = self.stopped = False
        self._bus = bus
        self._source = source
        self._rejects = rejects
        self._progress = progress
        self._tally = tally
        self._told = told

    async def run(self) -> None:
        """Publish them all, one after another."""
        lines = Lines(self._source)
        try:
            while batch := await lines.read():
                for line in batch:
                    if self.stopped:
                        return
                    event = self._take(line)
                    if event is not None:
                        await self._publish(event)
                    if self.line % _YIELD_EVERY == 0:
                        await asyncio.sleep(0)
        except OSError as error:
            self.broken_off = True
            tell(f"the input cannot be read beyond line {self.line}: {error.strerror}")

    @property
    def place(self) -> str:
        """Where it is."""
        return f"line {self.line}"

    def stop(self) -> None:
        """Publish no more; may be called at any time."""
        self.stopped = True

    def end(self) -> None:
        """Publish no more, and wait for no more input; to be called in the loop."""
        self.stopped = True
        self._source.end()

    def _take(self, line: bytes) -> Event | None:
        self.line += 1
        self._progress.advance(len(line))
        try:
            event = parse_event(line, first=self.line == 1)
        except EventError as error:
            self.read += 1
            self.rejected += 1
            tell(f"line {self.line} is no event: {error}")
            self._rejects.keep(line)
            return None
        if event is not None:
            self.read += 1
        return event

    async def _publish(self, event: Event) -> None:
        before = self._tally.dispatched
        try:
            result = await self._bus.publish(event)
        except MiddlewareError as error:
            self._fail("failures of middleware", error)
        except BusClosedError as error:
            self._fail("a plugin closed the bus", error)
            self.stopped = True
        except (SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
            if self._tally.dispatched > before:  # what a handler did is counted as its outcome
                self.published += 1
            else:
                self.failed += 1
            if isinstance(error, asyncio.CancelledError):
                raise
            # SystemExit is a plugin's, which has no say in when the run ends; KeyboardInterrupt
            # is the third signal, which has freed a handler that blocked the loop
            self.stopped = self.stopped or isinstance(error, KeyboardInterrupt)
            self._told.tell("plugins that exit", f"line {self.line}: {describe(error)}")
        else:
            if result.event is None:
                self.blocked += 1
            else:
                self.published += 1

    def _fail(self, what: str, error: BaseException) -> None:
        self.failed += 1
        self._told.tell(what, f"line {self.line} was not published: {describe(error)}")
