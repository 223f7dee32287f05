"""Sending: an event is out when the broker has acknowledged it; until then its sender waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from busway_bridge._brokers.base import cancellations, log
from busway_bridge._brokers.opening import broker_of
from busway_bridge.exceptions import BridgeError, TooLargeError

if TYPE_CHECKING:
    from busway_bridge._brokers.base import Broker, Take
    from busway_bridge._options import Options

__all__ = ["Link"]

_OPENING: Final = 5.0  # seconds: half of what a bus gives a handler to start
_ONCE: Final = 5.0  # seconds that one try to send may take
_LOOK: Final = 1.0  # seconds between two looks at whether it receives
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0


class Link:
    """A connection that is opened when it is needed, and again when it has to be; for one loop.

    Args:
        options: how to speak to the broker.
        take: what takes the messages that come in; None if none are to come.
        sends: the subjects that are going to be sent to.
    """

    def __init__(
        self, options: Options, take: Take | None = None, sends: tuple[str, ...] = ()
    ) -> None:
        self._options = options
        self._take = take
        self._sends = sends
        self._broker: Broker | None = None
        self._opening: asyncio.Task[Broker] | None = None
        self._slots = asyncio.Semaphore(options.buffer)
        self._told = False

    async def open(self) -> Broker:
        """The broker, connected.

        Raises:
            BridgeError: if it cannot be reached, or will not do.
        """
        broker = self._broker
        if broker is not None and not broker.broken:
            return broker
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        # in a task of its own: clients that are cancelled while they connect leave sockets open
        return await asyncio.shield(self._opening)

    async def _open(self) -> Broker:
        try:
            broken, self._broker = self._broker, None
            if broken is not None:
                await broken.closed()
            broker = broker_of(self._options, self._take, self._sends)
            await broker.opened(_OPENING)
            self._broker = broker
            return broker
        finally:
            self._opening = None

    async def send(self, subject: str, body: bytes, key: str) -> None:
        """Hand over a message; try again until the broker acknowledges it, or time is up.

        Raises:
            TooLargeError: at once, if the broker takes none of that size.
            BridgeError: if it is not acknowledged within `timeout` seconds, those included in
                which more than `buffer` others are waiting.
        """
        until = asyncio.get_running_loop().time() + self._options.timeout
        try:
            if self._slots.locked():
                async with asyncio.timeout_at(until):
                    await self._slots.acquire()
            else:
                await self._slots.acquire()  # at once
        except TimeoutError:
            raise self._late(key, None) from None
        try:
            await self._send(subject, body, key, until)
        finally:
            self._slots.release()
        self._told = False

    async def close(self) -> None:
        """Receive no more, wait for what is being handled, and disconnect; also if cancelled."""
        closing = asyncio.create_task(self._close())
        try:
            await asyncio.shield(closing)
        finally:
            if not closing.done():
                await asyncio.wait([closing])

    async def _close(self) -> None:
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.closed()

    async def keep(self) -> None:
        """Keep receiving: open it again whenever it is not open, or gave up. Until cancelled.

        What was fetched is kept from being given to others, by three beats in each `ack_wait`.
        """
        beat = self._options.ack_wait / 3
        clock, before = asyncio.get_running_loop().time, cancellations()
        due = clock() + beat
        while True:
            try:
                broker = await self.open()
                if not broker.is_receiving():
                    log.warning("%s: receiving has ended; it begins anew", self._options.via)
                    await self.close()
                    continue
                if clock() >= due:
                    due = clock() + beat
                    await broker.prolong()
            except Exception as error:  # noqa: BLE001 - whatever a client raises
                self._tell(error)
            if cancellations() > before:  # a client has swallowed it, as in `_send`
                return
            await asyncio.sleep(min(beat, _LOOK))

    async def _send(self, subject: str, body: bytes, key: str, until: float) -> None:
        """Try until it works. Not by stamina, which logs every try."""
        loop, before = asyncio.get_running_loop(), cancellations()
        pause = _FIRST_PAUSE
        cause: Exception | None = None
        while True:
            failed: Exception | None = None
            try:
                # one timer for all of it: there is one for each event
                async with asyncio.timeout_at(min(loop.time() + _ONCE, until)):
                    await (await self.open()).send(subject, body, key)
            except TooLargeError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a client raises
                failed = error
            if cancellations() > before:  # a client has swallowed it: on Python 3.11 `wait_for` may
                raise asyncio.CancelledError
            if failed is None:
                return
            if cause is None or not isinstance(failed, TimeoutError):
                cause = failed
            self._tell(cause)
            await asyncio.sleep(min(pause, until - loop.time()))
            if loop.time() >= until:
                raise self._late(key, cause) from cause
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _late(self, key: str, cause: Exception | None) -> BridgeError:
        slow = cause is None or (isinstance(cause, TimeoutError) and not str(cause))
        why = "it is too slow" if slow else f"{type(cause).__name__}: {cause}"
        return BridgeError(
            f"{self._options.via} has not acknowledged event {key} within "
            f"{self._options.timeout:g} s: {why}"
        )

    def _tell(self, error: Exception) -> None:
        """Log the first failure of a row."""
        if not self._told:
            self._told = True
            log.warning(
                "%s: %s; trying again", self._options.via, str(error) or type(error).__name__
            )
