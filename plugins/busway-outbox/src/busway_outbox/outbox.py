"""The outbox: what plugs into the bus, and its settings."""

import asyncio
import logging
import os
import socket
import threading
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from secrets import token_hex
from typing import Final
from weakref import WeakSet

from busway.bus import EventBus
from busway.events import Event, register_event_types
from busway.handlers import Call, EventHandler, Handler, handler_name
from busway.hookspecs import hookimpl
from busway.middleware import Interceptor
from busway_outbox._backoff import Backoff
from busway_outbox._diagnosis import diagnose
from busway_outbox._ledger import Ledger
from busway_outbox._recording import Recording
from busway_outbox._relay import Relay, Times
from busway_outbox._settings import flag_of, number_of, patterns_of, seconds_of, url_of
from busway_outbox._store.database import database_of
from busway_outbox._store.rows import Depth
from busway_outbox._transactions.adding import add, add_async
from busway_outbox._writing.writer import Writer
from busway_outbox.event_types import OutboxEvent

__all__ = ["DEFAULT_URL", "Outbox"]

_log = logging.getLogger("busway.outbox")
DEFAULT_URL: Final = "sqlite:outbox.db"


class Outbox(EventHandler):
    """Delivers events to durable handlers at least once, whatever happens to the process.

    A handler is durable if it says so by an attribute `durable = True`, or its name is in the
    setting `durable`. For each event and durable handler a row is committed before the handler
    runs. When `publish()` has returned, the handler has completed, or the row stands for another
    try; an attempt that fails is the outcome `failed` all the same. What was not completed when
    the process died is resubmitted by `bus.deliver`, when a bus with this outbox has started.

    The other handlers pay nothing. An outbox that no handler needs opens no database.

    Ordering: none among events that are tried again.

    Args:
        url: `sqlite:PATH`, made if it is not there, or `postgresql://USER@HOST/DATABASE`.
        durable: names of handlers that are durable, besides those that say so; `*` stands for
            anything.
        max_attempts: after how many a row is dead. An attempt that ends with its process counts.
        wait_initial: seconds until the second attempt; doubled for each one after.
        wait_max: seconds between two attempts at most.
        wait_jitter: seconds that are added at most, at random.
        lease: seconds after which the rows of a process that died are taken by another. A process
            that lives prolongs its leases, at each third of that.
        batch: how many rows are resubmitted at once.
        poll: seconds between two looks at what is due.
        keep_done: seconds for which it is known what was done: an event that is published again
            is not handled again. 0 forgets it at once.
        relay: whether this process resubmits, and publishes what was added; one at least must.

    Raises:
        TypeError: if a setting is of a wrong type.
        ValueError: if one is out of range.

    >>> Outbox(durable=["shop.*"]).health()["live"]
    0
    """

    def __init__(
        self,
        *,
        url: str = DEFAULT_URL,
        durable: Collection[str] = (),
        max_attempts: int = 10,
        wait_initial: float = 1.0,
        wait_max: float = 300.0,
        wait_jitter: float = 1.0,
        lease: float = 60.0,
        batch: int = 100,
        poll: float = 1.0,
        keep_done: float = 86_400.0,
        relay: bool = True,
    ) -> None:
        self._url = url_of(url)
        self._patterns = patterns_of(durable)
        self._max_attempts = number_of("max_attempts", max_attempts)
        self._backoff = Backoff(
            seconds_of("wait_initial", wait_initial),
            seconds_of("wait_max", wait_max),
            seconds_of("wait_jitter", wait_jitter),
        )
        self._lease = seconds_of("lease", lease, least=0.1)
        self._times = Times(
            number_of("batch", batch),
            seconds_of("poll", poll, least=0.01),
            seconds_of("keep_done", keep_done),
        )
        self._relays = flag_of("relay", relay)
        self._database = database_of(self._url)
        self._relay: Relay | None = None
        self._relaying: asyncio.Task[None] | None = None
        self._renew()
        _alive.add(self)

    @property
    def event_types(self) -> Sequence[StrEnum]:
        """That something was added by another process."""
        return [OutboxEvent.ADDED]

    async def handle(self, event: Event) -> None:  # noqa: ARG002 - that it came is all there is
        """Look at what was added."""
        self.nudge()

    def attach(self, bus: EventBus) -> None:
        """Plug it into a bus by hand; `load_plugins` does the same."""
        register_event_types(OutboxEvent)
        bus.subscribe(self)
        bus.add_interceptor(self.intercept)

    def is_durable(self, handler: Handler) -> bool:
        """Whether a handler says so, or the settings do."""
        if handler is self:
            return False
        name = handler_name(handler)
        by_name = any(fnmatchcase(name, pattern) for pattern in self._patterns)
        return by_name or getattr(handler, "durable", False) is True

    def intercept(self, handler: Handler, call_next: Call) -> Call:
        """The interceptor: record before a durable handler runs, and tell how it ended."""
        if not self.is_durable(handler):
            return call_next
        name = handler_name(handler)

        async def durable(event: Event) -> None:
            await self._recording.run(event, name, handler, call_next)

        return durable

    async def start(self, bus: EventBus) -> None:
        """Resubmit what is due, from now on, and publish what was added.

        Args:
            bus: whose handlers are resubmitted to.
        """
        self._tell_shared(bus)
        if self._relays and (self._relaying is None or self._relaying.done()):
            self._relay = Relay(bus, self._writer, self._database, self._ledger, self._times)
            self._relaying = asyncio.create_task(self._relay.run(), name="busway outbox relay")

    async def stop(self) -> None:
        """End that, if it is of this loop; commit what is on its way, and close the database.

        Cancellation: what is being resubmitted is cancelled, and tried again later.
        """
        relay, task = self._relay, self._relaying
        if relay is not None and task is not None and task.get_loop() is asyncio.get_running_loop():
            self._relay = self._relaying = None
            task.cancel()
            await asyncio.wait({task})
            await relay.end()
        await self._writer.close()

    def nudge(self) -> None:
        """Look at what is due now, not at the next `poll`; from any thread."""
        if self._relay is not None:
            self._relay.nudge()

    async def flush(self) -> None:
        """Wait until the ends of all attempts so far are committed.

        Nothing is lost without it: an end that was not committed is an attempt made again.
        """
        await self._writer.flush()

    def add(self, event: Event, connection: object) -> Event:
        """Publish an event when a transaction has ended well, and never if it has not.

        It is written by the caller's own connection, in the transaction that it is in. The outbox
        of a process that relays publishes it, on its bus, to all handlers, once it is committed.

        Args:
            event: what has happened, if the transaction ends well. Within a handler it is caused
                by what that handles, as if it were published there.
            connection: to the database of this outbox: a `sqlite3.Connection`, a
                `psycopg.Connection`, SQLAlchemy's `Connection` or `Session`, or Django's
                `connection`.

        Returns:
            The event as it will be published.

        Raises:
            OutboxError: if the connection is of no kind that is known, or goes to another
                database, or the event cannot be written as JSON.
        """
        return add(self._database, event, connection, self.nudge)

    async def add_async(self, event: Event, connection: object) -> Event:
        """As `add`, by a connection that is awaited.

        Args:
            event: what has happened.
            connection: a `psycopg.AsyncConnection`, or SQLAlchemy's `AsyncConnection` or
                `AsyncSession`.

        Returns:
            The event as it will be published.

        Raises:
            OutboxError: as `add` does.
        """
        return await add_async(self._database, event, connection)

    def health(self) -> Mapping[str, int | str]:
        """What it says of itself.

        Returns:
            `live` rows that are not over, `failed` ones among them, `oldest_seconds` since the
            oldest of them was recorded, `dead` ones, and `unclaimed` ones that are long due, and
            for a handler or of a type that is not here: those of all processes, as this one has
            counted last if it relays. `done` and `attempts_failed` of this process; `error`, why
            the database refuses, while it does, or "".
        """
        relay = self._relay
        depth = relay.depth if relay is not None else Depth()
        return {
            "live": depth.live,
            "failed": depth.failed,
            "oldest_seconds": int(depth.oldest),
            "dead": depth.dead,
            "unclaimed": sum(one.rows for one in relay.unclaimed) if relay is not None else 0,
            "done": self._ledger.done,
            "attempts_failed": self._ledger.failed,
            "error": self._writer.error,
        }

    @hookimpl
    def busway_event_types(self) -> Iterable[type[StrEnum]]:
        """The hook: its type of event."""
        return [OutboxEvent]

    @hookimpl
    def busway_handlers(self) -> Iterable[Handler]:
        """The hook: itself."""
        return [self]

    @hookimpl
    def busway_interceptors(self) -> Iterable[Interceptor]:
        """The hook: what wraps durable handlers."""
        return [self.intercept]

    @hookimpl
    def busway_diagnose(self) -> Iterable[str]:
        """The hook: dead and forgotten rows, and a database that refuses."""
        return diagnose(database_of(self._url), self._lease)

    def _tell_shared(self, bus: EventBus) -> None:
        """Name the durable handlers that cannot be told apart: their rows are nobody's."""
        names = Counter(handler_name(one) for one in bus.handlers if self.is_durable(one))
        for name, handlers in names.items():
            if handlers > 1:
                _log.error(
                    "%d durable handlers are called %s: give each a `name` of its own",
                    handlers,
                    name,
                )

    def _renew(self) -> None:
        owner = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
        self._writer = Writer(self._database, owner, self._lease)
        self._ledger = Ledger(
            self._writer,
            self._backoff,
            self._max_attempts,
            keeps_done=self._times.keep_done > 0,
        )
        self._recording = Recording(self._writer, self._ledger)
        self._relay = self._relaying = None
        weakref.finalize(self, self._writer.abandon).atexit = False


_alive: WeakSet[Outbox] = WeakSet()
_forking = threading.local()


def _before_fork() -> None:
    """Let no database be open in a child: see `Writer.before_fork`."""
    _forking.writers = [one._writer for one in _alive]  # noqa: SLF001 - the outbox's own
    for writer in _forking.writers:
        writer.before_fork()


def _after_fork_in_parent() -> None:
    for writer in _forking.writers:
        writer.after_fork()
    _forking.writers = []


def _after_fork_in_child() -> None:
    """Give it writers of its own: threads and leases are the parent's."""
    _forking.writers = []
    for one in list(_alive):
        one._writer.leave_to_parent()  # noqa: SLF001 - the outbox's own
        one._renew()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
