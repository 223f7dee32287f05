"""The handler: the bus's events to a broker, and a broker's events to the bus."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from threading import Lock
from typing import Literal

import busway
from busway.bus import EventBus
from busway.events import Event, register_event_types
from busway.exceptions import MiddlewareError, SkipHandler
from busway.handlers import AnyType, EventHandler
from busway_bridge import wire
from busway_bridge._brokers.base import GRACE, log
from busway_bridge._brokers.opening import module_of
from busway_bridge._counts import Counts
from busway_bridge._link import Link
from busway_bridge._options import Options, from_url
from busway_bridge._receiving import Receiver
from busway_bridge._routes import Routes
from busway_bridge.event_types import BridgeEvent
from busway_bridge.exceptions import BrokerAwayError

# No `from __future__ import annotations`: the annotations of the constructor are the plugin's
# settings, and are read at runtime.

__all__ = ["BridgeHandler"]


class BridgeHandler(EventHandler):
    """Sends events to a broker, and publishes those that come from it.

    Installed, it does nothing until it is given a `url`. An event is sent when the broker has
    acknowledged it: `handle` waits for that. A message is acknowledged when all handlers of its
    event ended well; until then it comes again. An event that came in is not sent out again to
    where it came from, and one's own is not taken in.

    Ordering: events of one publisher arrive in the order in which their publishes are awaited,
    and are handled in the order of their arrival, unless `concurrency` is more than 1, one fails,
    or several processes share the group.
    Cancellation: passes; whether the broker has the event is then not known.
    Threads: one handler may be called from several loops in several threads. On a bus that was
    started it uses that loop's connection; without `start`, one is made for as long as events are
    being sent.

    Args:
        url: the broker: `redis://`, `rediss://`, `nats://`, `tls://`, `amqp://`, `amqps://` or
            `kafka://`. Its query may hold any of the following, and what the client knows.
        out: the subjects of what goes out, by type of event or pattern: the first that fits.
        subjects: what comes in.
        group: who shares what comes in; each group is given all of it.
        origin: who sends; None for host and program. All processes of one application share it.
        concurrency: how many events that come in are handled at once.
        ack_wait: how many seconds after the death of a worker its events are given to another.
        retry_delay: seconds before an event that failed is delivered again.
        max_deliveries: after how many an event that fails is a dead letter; 0 for never.
        dedupe_window: how many events that came in are remembered, to know duplicates by.
        buffer: how many events may wait for the broker at once.
        timeout: seconds in which it must have acknowledged one.

    Raises:
        ValueError: if a setting is not as described; it names the setting.
        BridgeError: if the client for the URL is not installed.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        out: dict[str, str] | None = None,
        subjects: list[str] | None = None,
        group: str = "busway",
        origin: str | None = None,
        concurrency: int = 1,
        ack_wait: float = 30.0,
        retry_delay: float = 1.0,
        max_deliveries: int = 5,
        dedupe_window: int = 100_000,
        buffer: int = 1_000,
        timeout: float = 30.0,
    ) -> None:
        register_event_types(BridgeEvent)
        self._routes = Routes(out or {})
        self._options: Options | None = None
        if url is not None:
            self._options = from_url(
                url,
                subjects=tuple(subjects or ()),
                group=group,
                origin=origin or "",
                concurrency=concurrency,
                ack_wait=ack_wait,
                retry_delay=retry_delay,
                max_deliveries=max_deliveries,
                dedupe_window=dedupe_window,
                buffer=buffer,
                timeout=timeout,
            ).named()
        elif out or subjects:
            raise ValueError("url: the broker's is needed, since `out` or `subjects` is set")
        self._via = "" if self._options is None else self._options.via
        if self._options is not None:
            module_of(self._options)
        if self._options and not (self._routes.subjects or self._options.subjects):
            raise ValueError("out, subjects: with a url, one of them is needed")
        self._counts = Counts("sent", "failed", "skipped")
        self._lock = Lock()
        self._loans: dict[asyncio.AbstractEventLoop, tuple[Link, list[None]]] = {}
        self._home: tuple[asyncio.AbstractEventLoop, Link] | None = None
        self._process = 0
        self._receiver: Receiver | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def durable(self) -> bool:
        """What busway-outbox asks: an event that goes out is recorded until the broker has it."""
        return bool(self._routes.subjects)

    @property
    def event_types(self) -> Sequence[StrEnum | str | Literal[AnyType.ANY]]:
        """Those that go out; a pattern is held against the types registered when it is asked.

        A handler observes something: one that only receives observes dead letters, and skips them.
        """
        return self._routes.types() if self._routes.subjects else [BridgeEvent.DEAD_LETTER]

    async def handle(self, event: Event) -> None:
        """Send the event; return when the broker has acknowledged it.

        Raises:
            SkipHandler: if no route is for it, or it came in from there.
            WireError: if it has no JSON.
            BridgeError: if the broker has not acknowledged it in time.
        """
        subject = self._routes.subject(event.type)
        options = self._options
        if options is None or subject is None or event.metadata.get(wire.VIA) == self._via:
            self._counts.add("skipped")
            raise SkipHandler
        try:
            await self._send(subject, wire.encode(event, options.origin), wire.key(event))
        except BaseException:
            self._counts.add("failed")
            raise
        self._counts.add("sent")

    async def start(self, bus: EventBus) -> None:
        """Connect and check the broker; receive. If it is away, keep trying.

        Raises:
            BridgeError: if it is there, and will not do.
        """
        if self._options is None or self._home is not None:
            return
        link = self._link(bus)
        self._home = (asyncio.get_running_loop(), link)
        self._process = os.getpid()
        try:
            broker = await link.open()
            for finding in await broker.findings():
                log.warning("%s", finding)
        except BrokerAwayError as error:
            log.warning("%s; trying again", error)
        except BaseException:
            self._home = None
            await link.close()  # it may be open, and receiving
            raise
        if self._receiver is not None:
            self._keeping = asyncio.create_task(link.keep())

    async def stop(self) -> None:
        """Receive no more, wait for what is being handled, and disconnect."""
        home, self._home = self._home, None
        keeping, self._keeping = self._keeping, None
        if keeping is not None and self._receiver is not None:
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GRACE):
                        await self._receiver.finish()
            finally:
                keeping.cancel()
                await asyncio.wait([keeping])
        if home is not None:
            await home[1].close()

    def health(self) -> Mapping[str, int | str]:
        """Counts since it was built; the README says what each means."""
        told: dict[str, int | str] = dict(self._counts.read())
        if self._receiver is not None:
            told |= {f"in_{name}": count for name, count in self._receiver.counts.items()}
            told["in_remembered"] = self._receiver.remembered
        return told

    @busway.hookimpl
    def busway_event_types(self) -> Iterable[type[StrEnum]]:
        """As a plugin it brings its type of event."""
        return [BridgeEvent]

    @busway.hookimpl
    def busway_handlers(self) -> Iterable[EventHandler]:
        """As a plugin it brings itself, if it is told where to connect."""
        return [] if self._options is None else [self]

    @busway.hookimpl
    def busway_diagnose(self) -> Iterable[str]:
        """What is wrong with the broker, if one is named."""
        if self._options is None:
            return []
        with ThreadPoolExecutor(1) as thread:  # a loop may be running in this one
            return thread.submit(asyncio.run, self._diagnose(self._options)).result()

    async def _diagnose(self, options: Options) -> list[str]:
        link = Link(options, None, self._routes.subjects)
        try:
            return await (await link.open()).findings()
        except busway.BuswayError as error:
            return [f"{error}: see to the broker and to the setting url"]
        finally:
            await link.close()

    def _link(self, bus: EventBus) -> Link:
        options = self._options
        assert options is not None  # noqa: S101 - for the type checker
        if not options.subjects:
            return Link(options, None, self._routes.subjects)

        async def publish(event: Event) -> bool:
            try:
                result = await bus.publish(event)
            except MiddlewareError:
                return False  # told by the bus
            return result.event is None or result.ok

        async def send(subject: str, body: bytes, key: str) -> None:
            await link.send(subject, body, key)

        self._receiver = Receiver(options, publish, send, drops_own=True)
        link = Link(options, self._receiver.take, self._routes.subjects)
        return link

    async def _send(self, subject: str, body: bytes, key: str) -> None:
        home = self._home
        # one that does not run, or did in the process that this was forked from, sends nothing
        if home is None or not home[0].is_running() or self._process != os.getpid():
            async with self._borrowed() as link:
                await link.send(subject, body, key)
        elif home[0] is asyncio.get_running_loop():
            await home[1].send(subject, body, key)
        else:  # a connection belongs to its loop
            await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(home[1].send(subject, body, key), home[0])
            )

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Link]:
        """A connection of this loop, shared by all that are sending, and closed by the last."""
        loop = asyncio.get_running_loop()
        assert self._options is not None  # noqa: S101 - for the type checker
        with self._lock:
            if loop not in self._loans:
                self._loans[loop] = (Link(self._options, None, self._routes.subjects), [])
            link, users = self._loans[loop]
            users.append(None)
        try:
            yield link
        finally:
            with self._lock:
                users.pop()
                if not users:
                    del self._loans[loop]
            if not users:
                await link.close()
