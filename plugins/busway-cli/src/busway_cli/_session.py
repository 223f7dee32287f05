"""One session of a run: from the first handler started to the last one stopped."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from busway_cli._interruption import Interruption
from busway_cli._streams import tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from signal import Signals

    from busway import EventBus

__all__ = ["Feed", "Session"]


class Feed(Protocol):
    """What publishes.

    Attributes:
        stopped: whether it is to publish no more; may be set at any time.
    """

    stopped: bool

    @property
    def place(self) -> str:
        """Where it is, for people."""

    async def run(self) -> None:
        """Publish until there is no more, or it is stopped."""

    def end(self) -> None:
        """Publish no more, and wait for no more; to be called in the loop."""


class Session:
    """Starts the bus, publishes until the feed's end or a signal, and stops the bus.

    Attributes:
        signal: what ended it early; None if nothing did.
        refused: what `health()` says of the handlers that did not start.
        seconds: how long it took, draining included.
    """

    def __init__(self, bus: EventBus, feed: Feed) -> None:
        self.signal: Signals | None = None
        self.refused: Mapping[str, Mapping[str, int | str]] = {}
        self.seconds = 0.0
        self._bus = bus
        self._feed = feed

    async def run(self) -> None:
        """Do it. Signals are met; see `Interruption`."""
        began = time.monotonic()
        with Interruption(self._ask_to_stop) as self._interruption:
            try:
                await self._run()
            except asyncio.CancelledError:
                if not self._interruption.hurried:
                    raise
                self._interruption.task.uncancel()
            finally:
                self.signal = self._interruption.signal
                self.seconds = time.monotonic() - began

    def _ask_to_stop(self) -> None:
        self._feed.stopped = True

    async def _run(self) -> None:
        """Publish in a task beside this one: what a signal finds under way is drained too."""
        async with self._bus:
            publishing = asyncio.create_task(self._feed.run())
            publishing.add_done_callback(self._end)
            try:
                await self._interruption.over.wait()
            finally:
                self._feed.end()
                self._tell_signal()
                # health() tells of handlers first, then, until the bus stops, of those refused
                told = list(self._bus.health().items())
                first = len(self._bus.handlers)
                self.refused = dict(told[first : first + len(self._bus.refused)])
        await publishing

    def _end(self, publishing: asyncio.Task[None]) -> None:
        self._interruption.over.set()
        if not publishing.cancelled():
            publishing.exception()  # seen, should an interrupt keep it from being awaited

    def _tell_signal(self) -> None:
        if self._interruption.signal is not None:
            tell(
                f"{self._interruption.signal.name}: stopped at {self._feed.place}, "
                "draining; once more to hurry"
            )
