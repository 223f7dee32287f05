"""Working: events from a transport through the bus, until nothing comes or it is stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from busway import BusClosedError, MiddlewareError
from busway_cli._streams import describe, tell
from busway_cli._transports import transport_of

if TYPE_CHECKING:
    from busway import Event, EventBus
    from busway_cli._streams import Repeats
    from busway_cli._tally import Tally

__all__ = ["Working"]

_LOOK: Final = 0.1  # seconds between looks at whether anything has come


class Working:
    """Publishes what a transport receives.

    Args:
        bus: where to.
        url: the transport.
        group: who shares the receiving; None for what the transport takes for it.
        idle_exit: after how many seconds without an event it ends; None for never.
        tally: what was dispatched.
        told: what cuts repeated messages short.

    Attributes:
        published: events that were dispatched.
        blocked: events that a middleware stopped.
        failed: events that were not dispatched because something failed.
        broken_off: whether nothing could be received.
        stopped: whether no more is to be received; may be set at any time.

    Raises:
        Refusal: if there is no such transport.
    """

    def __init__(
        self,
        bus: EventBus,
        url: str,
        *,
        group: str | None,
        idle_exit: float | None,
        tally: Tally,
        told: Repeats,
    ) -> None:
        self.published = self.blocked = self.failed = 0
        self.broken_off = self.stopped = False
        self.transport = transport_of(url, group=group, handle=self._publish)
        self._bus = bus
        self._idle_exit = idle_exit
        self._tally = tally
        self._told = told
        self._ended = asyncio.Event()

    @property
    def place(self) -> str:
        """Where it is."""
        return f"event {self.transport.counts.get('received', 0)}"

    @property
    def read(self) -> int:
        """What was received, duplicates too."""
        return self.transport.counts.get("received", 0)

    @property
    def rejected(self) -> int:
        """Messages that hold no event."""
        return self.transport.counts.get("rejected", 0)

    @property
    def duplicates(self) -> int:
        """Events that had been handled before, and were not once more."""
        return self.transport.counts.get("duplicates", 0)

    async def run(self) -> None:
        """Receive until it is stopped or idle; then wait for what is being handled."""
        try:
            for finding in await self.transport.start():
                tell(finding)
        except Exception as error:  # noqa: BLE001 - a plugin's
            self.broken_off = True
            tell(f"nothing can be received: {describe(error)}")
            return
        try:
            while not self.stopped and not self._is_idle():
                try:
                    await asyncio.wait_for(self._ended.wait(), _LOOK)
                except TimeoutError:
                    continue
        finally:
            await self.transport.stop()

    def end(self) -> None:
        """Receive no more; to be called in the loop."""
        self.stopped = True
        self._ended.set()

    def _is_idle(self) -> bool:
        return self._idle_exit is not None and self.transport.idle >= self._idle_exit

    async def _publish(self, event: Event) -> bool:
        """Whether all its handlers ended well, or a middleware has stopped it."""
        before = self._tally.dispatched
        try:
            result = await self._bus.publish(event)
        except MiddlewareError as error:
            self.failed += 1
            self._told.tell("failures of middleware", f"{event.id}: {describe(error)}")
            return False
        except BusClosedError:  # the run is ending: it is for the next one
            raise
        except SystemExit as error:  # a plugin's, which has no say in when the run ends
            if self._tally.dispatched > before:
                self.published += 1
            else:
                self.failed += 1
            self._told.tell("plugins that exit", f"{event.id}: {describe(error)}")
            return False
        if result.event is None:
            self.blocked += 1
            return True
        self.published += 1
        return result.ok
