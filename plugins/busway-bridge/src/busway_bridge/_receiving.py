"""Receiving: a message becomes an event, is handled once, and acknowledged when that went well."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from busway.exceptions import EventError
from busway_bridge import wire
from busway_bridge._brokers.base import log
from busway_bridge._window import Window
from busway_bridge.exceptions import TooLargeError, WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from busway import Event
    from busway_bridge._brokers.base import Message
    from busway_bridge._options import Options

__all__ = ["Receiver"]

_DEAD: Final = ".dead"
_REASON: Final = 500
_PART: Final = 10_000  # bytes of a message that is too large for a dead letter

Handle: TypeAlias = "Callable[[Event], Awaitable[bool]]"
Send: TypeAlias = "Callable[[str, bytes, str], Awaitable[None]]"


class Receiver:
    """Takes the messages of a broker, for one loop.

    Args:
        options: how many at once, how often, how many are remembered.
        handle: handles an event; whether that went well.
        send: sends a dead letter.
        drops_own: whether an event of the same origin is passed over.

    Attributes:
        counts: `received`, `handled`, `failed` (deliveries), `duplicates`, `own`, `rejected`
            (that are no events), `dead_letters`.
        last: when a message was settled last, by the loop's clock.
        under_way: how many are being seen to.
    """

    def __init__(
        self, options: Options, handle: Handle, send: Send, *, drops_own: bool = False
    ) -> None:
        names = ("received", "handled", "failed", "duplicates", "own", "rejected", "dead_letters")
        self.counts: Counter[str] = Counter(dict.fromkeys(names, 0))
        self.last = asyncio.get_running_loop().time()
        self.under_way = 0
        self._stopped = False
        self._none_under_way = asyncio.Event()
        self._none_under_way.set()
        self._options = options
        self._via = options.via
        self._handle = handle
        self._send = send
        self._drops_own = drops_own
        self._window = Window(options.dedupe_window)
        self._told = False
        self._turns = asyncio.Semaphore(options.concurrency)

    @property
    def remembered(self) -> int:
        """How many events a duplicate would be known of."""
        return len(self._window)

    async def finish(self) -> None:
        """Leave what comes from now on, to be delivered again; wait for what is being handled."""
        self._stopped = True
        await self._none_under_way.wait()

    async def take(self, message: Message) -> None:
        """See to one message; nothing that goes wrong in it leaves."""
        try:
            with self._counted():
                async with self._turns:
                    if self._stopped:
                        return
                    done = await self._take(message)
                if done:  # not in its turn: nobody has to wait until the broker is told
                    await message.ack()
            if not done:  # some brokers have to wait here
                await message.retry(self._options.retry_delay)
            self._told = False
        except Exception as error:  # noqa: BLE001 - the broker is away, say
            self._tell(message, error)
            with suppress(Exception):
                await message.retry(self._options.retry_delay)

    def _tell(self, message: Message, error: Exception) -> None:
        """Log the first of a row."""
        if not self._told:
            self._told = True
            log.warning(
                "%s: what comes from %s cannot be settled, and will come again: %s",
                self._via,
                message.subject,
                str(error) or type(error).__name__,
            )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.counts["received"] += 1
        self.under_way += 1
        self._none_under_way.clear()
        try:
            yield
        finally:
            self.under_way -= 1
            if not self.under_way:
                self._none_under_way.set()
            self.last = asyncio.get_running_loop().time()

    async def _take(self, message: Message) -> bool:
        """Whether it is to be acknowledged; else it is to come again."""
        try:
            event = wire.decode(message.body, self._via)
        except (WireError, EventError) as error:
            self.counts["rejected"] += 1
            return await self._bury(message, str(error)[:_REASON])  # a stranger's type may be long
        if self._drops_own and event.metadata.get(wire.ORIGIN) == self._options.origin:
            self.counts["own"] += 1
            return True
        key = (event.source, event.id)  # what CloudEvents tells events apart by
        if not await self._window.begin(key):
            self.counts["duplicates"] += 1
            return True
        done = False
        try:
            done = await self._handle(event)
        finally:
            self._window.end(key, done=done)
        return await self._settle(message, event, done=done)

    async def _settle(self, message: Message, event: Event, *, done: bool) -> bool:
        if done:
            self.counts["handled"] += 1
            return True
        self.counts["failed"] += 1
        most = self._options.max_deliveries
        if most and await message.deliveries() >= most:
            return await self._bury(message, f"event {event.id} failed in {most} deliveries")
        return False

    async def _bury(self, message: Message, reason: str) -> bool:
        """Put it where nobody receives, with the reason; then it need not come again."""
        if message.subject.endswith(_DEAD):  # somebody receives those too: enough of it
            return True
        subject = f"{message.subject}{_DEAD}"
        await self._send_letter(subject, message, reason)
        self.counts["dead_letters"] += 1
        log.error(
            "%s: a message of %s is a dead letter in %s: %s",
            self._options.via,
            message.subject,
            subject,
            reason,
        )
        return True

    async def _send_letter(self, to: str, message: Message, reason: str) -> None:
        body, subject, origin = message.body, message.subject, self._options.origin
        try:
            await self._send(to, *wire.dead_letter(body, subject, reason, origin))
        except TooLargeError:  # text and base64 are longer in JSON than the message was
            reason = f"{reason}; of its {len(body)} bytes, these are the first {_PART}"
            await self._send(to, *wire.dead_letter(body[:_PART], subject, reason, origin))
