"""What the four brokers have in common: FastStream's client, connected, checked and supervised."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from busway_bridge.exceptions import BridgeError, BrokerAwayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from faststream.message import StreamMessage

    from busway_bridge._options import Options

__all__ = ["GRACE", "Broker", "Message", "Take", "cancellations", "log", "whole"]

log: Final = logging.getLogger("busway.bridge")
GRACE: Final = 5.0
"""Seconds that what is being handled has at the end: half of what a bus gives a handler to stop."""
_CLIENT_LOG: Final = logging.getLogger("busway.bridge.client")


class Message(Protocol):
    """One delivery of a message.

    Attributes:
        subject: where it came from.
        body: what it holds.
    """

    subject: str
    body: bytes

    async def ack(self) -> None:
        """It need not be delivered again."""

    async def retry(self, delay: float) -> None:
        """It is to be delivered again, to anybody of the group, after `delay` seconds or more."""

    async def deliveries(self) -> int:
        """How often it was delivered, this time included, as far as the broker counts."""


Take: TypeAlias = "Callable[[Message], Awaitable[None]]"


async def whole(message: StreamMessage[object]) -> StreamMessage[object]:
    """As FastStream's decoder: the subscriber gets the message itself, not what is in it."""
    return message


def cancellations() -> int:
    """How often this task was cancelled: more than before, if a client has swallowed it."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class Broker(ABC):
    """A connection to a broker, for one loop.

    Args:
        options: how to speak to it.
        take: what takes the messages of `options.subjects`; None if none are to be received.
        sends: the subjects that are going to be sent to.

    Attributes:
        broken: whether it is lost, and another has to be opened; its client mends the rest itself.
        closing: set when it is to be closed.
    """

    def __init__(
        self, options: Options, take: Take | None = None, sends: tuple[str, ...] = ()
    ) -> None:
        self.options = options
        self.take = take
        self.sends = sends
        self.client_log = _CLIENT_LOG
        self.closing = asyncio.Event()
        self.broken = False

    @abstractmethod
    async def open(self) -> None:
        """Connect, declare what has to be there, and begin to receive.

        Raises:
            BridgeError: if the broker has, or lacks, what makes the promises impossible.
            Exception: if it is not there.
        """

    @abstractmethod
    async def send(self, subject: str, body: bytes, key: str) -> None:
        """Hand over a message; return when the broker has acknowledged it.

        Args:
            subject: where to.
            body: the message.
            key: what tells it from others, in printable ASCII: the event's source and id.

        Raises:
            TooLargeError: if it takes none of that size.
            Exception: if it has not acknowledged it.
        """

    @abstractmethod
    async def findings(self) -> list[str]:
        """What of the broker's settings weakens the promises: sentences with the remedy."""

    @abstractmethod
    def is_receiving(self) -> bool:
        """Whether messages still come, or will when the broker is back."""

    @abstractmethod
    async def prolong(self) -> None:
        """Keep what was fetched from being given to others until `ack_wait` seconds from now."""

    @abstractmethod
    async def close(self) -> None:
        """Receive no more, wait for what is being handled, and disconnect."""

    async def pause(self, delay: float) -> None:
        """Wait so long, or until it is to be closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self.closing.wait()

    async def closed(self) -> None:
        """Let nothing wait any longer, and close it, whatever state it is in."""
        self.closing.set()
        try:
            async with asyncio.timeout(2 * GRACE):
                await self.close()
        except Exception as error:  # noqa: BLE001 - whatever a client raises
            log.debug("%s: %r at its end", self.options.via, error)

    async def opened(self, seconds: float) -> None:
        """Open it in time, or close it and say why not.

        Raises:
            BridgeError: as `open` does.
            BrokerAwayError: if the broker is not there.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.open()
        except BaseException as error:
            await self.closed()
            if isinstance(error, BridgeError) or not isinstance(error, Exception):
                raise
            why = "no answer" if isinstance(error, TimeoutError) else f"{type(error).__name__}"
            raise BrokerAwayError(f"{self.options.via} cannot be reached: {why}") from error
