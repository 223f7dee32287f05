"""The destination of `busway run --to`: the one handler, which sends events to a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from busway import ANY, EventHandler
from busway_cli._streams import tell
from busway_cli._transports import transport_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from enum import StrEnum

    from busway import Event, EventBus
    from busway.handlers import AnyType

__all__ = ["Destination"]


class Destination(EventHandler):
    """Sends every event.

    Args:
        url: the transport.

    Attributes:
        on_failure: called when an event was not acknowledged, or the transport does not start.

    Raises:
        Refusal: if there is no such transport.
    """

    def __init__(self, url: str) -> None:
        self._transport = transport_of(url)
        self.name = f"to {self._transport.name}"
        self.on_failure: Callable[[], object] | None = None
        self._sent = 0

    @property
    def event_types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """All."""
        return [ANY]

    async def start(self, bus: EventBus) -> None:  # noqa: ARG002 - it publishes nothing
        """Connect."""
        try:
            for finding in await self._transport.start():
                tell(finding)
        except BaseException:
            self._fail()
            raise

    async def handle(self, event: Event) -> None:
        """Send it; return when it was acknowledged. What was not is the last that is tried."""
        try:
            await self._transport.send(event)
        except BaseException:
            self._fail()
            raise
        self._sent += 1

    async def stop(self) -> None:
        """Disconnect."""
        await self._transport.stop()

    def health(self) -> Mapping[str, int | str]:
        """`sent`: how many events were acknowledged."""
        return {"sent": self._sent}

    def _fail(self) -> None:
        if self.on_failure is not None:
            self.on_failure()
