"""The transport: what `busway work` and `busway run --to` speak to, by the scheme of a URL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from busway import register_event_types
from busway_bridge import wire
from busway_bridge._link import Link
from busway_bridge._options import from_url
from busway_bridge._receiving import Receiver
from busway_bridge.event_types import BridgeEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from busway import Event

__all__ = ["BrokerTransport"]

_SUBJECT: Final = "busway"


class BrokerTransport:
    """A broker by its URL, to send to or to receive from; for one loop.

    Args:
        url: the broker; its query says on which `subject`, `busway` if it does not, and holds any
            other setting of the plugin.
        group: who shares the receiving; None for what the URL says.
        handle: handles an event, and says whether that went well; None to receive nothing.

    Raises:
        ValueError: if the URL, or what is in it, is wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        group: str | None = None,
        handle: Callable[[Event], Awaitable[bool]] | None = None,
    ) -> None:
        register_event_types(BridgeEvent)
        options = from_url(url, subjects=(_SUBJECT,)).named()
        self._options = options if group is None else replace(options, group=group)
        self._handle = handle
        self._receiver: Receiver | None = None
        self._link: Link | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The URL without secrets."""
        return self._options.via

    @property
    def counts(self) -> Mapping[str, int]:
        """`received`, `handled`, `failed`, `duplicates`, `rejected`, `dead_letters` so far."""
        return {} if self._receiver is None else self._receiver.counts

    @property
    def idle(self) -> float:
        """For how many seconds nothing has come, and nothing is being handled."""
        if self._receiver is None or self._receiver.under_way:
            return 0.0
        return asyncio.get_running_loop().time() - self._receiver.last

    async def start(self) -> list[str]:
        """Connect and, if there is who handles it, receive.

        Returns:
            What of the broker's settings weakens the promises.

        Raises:
            BridgeError: if it cannot be reached, or will not do.
        """
        take = None
        if self._handle is not None:
            self._receiver = Receiver(self._options, self._handle, self._send)
            take = self._receiver.take
        self._link = Link(self._options, take, () if take else self._options.subjects)
        findings = await (await self._link.open()).findings()
        if self._receiver is not None:
            self._receiver.last = asyncio.get_running_loop().time()
            self._keeping = asyncio.create_task(self._link.keep())
        return findings

    async def send(self, event: Event) -> None:
        """Send an event to every subject; return when the broker has acknowledged it.

        Raises:
            WireError: if it has no JSON.
            BridgeError: if it is not acknowledged in time.
        """
        body = wire.encode(event, self._options.origin)
        for subject in self._options.subjects:
            await self._send(subject, body, wire.key(event))

    async def stop(self) -> None:
        """Receive no more, wait for what is being handled, and disconnect."""
        if self._keeping is not None and self._receiver is not None:
            try:
                await self._receiver.finish()
            finally:
                self._keeping.cancel()
                await asyncio.wait([self._keeping])
        if self._link is not None:
            await self._link.close()

    async def _send(self, subject: str, body: bytes, key: str) -> None:
        assert self._link is not None, "it was not started"  # noqa: S101
        await self._link.send(subject, body, key)
