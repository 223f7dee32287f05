"""Wait for an event and for all that it leads to."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from busway._publication import CURRENT
from busway.exceptions import BuswayError
from busway_testing._record import Failure, is_unheard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from busway._publication import Publication
    from busway.events import Event
    from busway_testing._record import Record, Work

__all__ = ["Settle", "settle"]


class Settle(Protocol):
    """What the fixture `settle` is."""

    async def __call__(self, event: Event, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - the brake
        """Wait for an event that was published, and for all its descendants.

        Those are the events that its handlers publish, in whatever way, those that the handlers
        of these publish, and so on; and the tasks that handlers start, as they may still publish.
        Nothing is guessed from time that passes: it returns when nothing of that is left.
        Events that it did not lead to are not waited for. What a handler leaves to a timer of the
        loop (`call_later`), and a thread whose awaiting task was cancelled, belong to it only once
        they publish.

        Args:
            event: what was published, or is being published.
            timeout: an emergency brake, in seconds: for a handler that hangs, or a task that never
                ends.

        Raises:
            BuswayError: at once, if the event was never published on a bus of this test's
                fixtures, or if this is called inside a handler that it would wait for.
            ExceptionGroup: if a handler failed, or a task that one had started and nobody looks
                at, or a `publish_soon` or `publish_threadsafe`; it holds all of these errors.
            TimeoutError: if it took longer than `timeout`; it names what is still running.
        """


async def settle(record: Record, event: Event, timeout: float) -> None:  # noqa: ASYNC109 - the brake
    """See `Settle`."""
    family = _Family(record, event)
    family.check()
    try:
        async with asyncio.timeout(timeout):
            await family.ended()
    except TimeoutError:
        raise TimeoutError(f"{family.told_left()} after {timeout:g} s") from None
    family.raise_failures()


class _Family:
    """An event and its descendants, as far as they are known.

    Attributes:
        ids: of the events, as they were published and as the middleware left them.
    """

    def __init__(self, record: Record, event: Event) -> None:
        self._record = record
        self._event = event
        self._members: list[Publication] = []
        self._known = 0
        self.ids = {event.id}

    def check(self) -> None:
        """See that there is something to wait for, and that it is not the caller."""
        self._look()
        told = f"{self._event.type} {self._event.id}"
        if not self._members:
            seen = ", ".join(self._record.captured.types[-10:]) or "nothing"
            raise BuswayError(
                f"{told} was never published on a bus of this test's fixtures: publish it first, "
                f"on `bus` or `shared_bus`; the last that were: {seen}"
            )
        current = CURRENT.get()
        if current is not None and self._includes(current.event):
            raise BuswayError(
                f"settle() inside a handler of {told}, or of an event that it led to, would wait "
                "for that handler itself"
            )

    async def ended(self) -> None:
        """Wait until all of it has ended."""
        loop = asyncio.get_running_loop()
        while True:
            waiter: asyncio.Future[None] = loop.create_future()
            self._record.waiters.append(waiter)  # before looking: what ends meanwhile wakes it
            try:
                live = self._live()
                if not (live or self._work()):
                    return
                self._follow_unbegun(live)
                await waiter
            finally:
                self._record.waiters.remove(waiter)

    def told_left(self) -> str:
        """What is still running."""
        events = [
            f"{one.event.type} {one.event.id}" + (" (not awaited)" if one.coroutine else "")
            for one in self._live()
        ]
        left = ", ".join([*events, *map(_told_work, self._work())])
        return f"what {self._event.type} {self._event.id} led to is still running: {left}"

    def raise_failures(self) -> None:
        """Raise all that went wrong, if anything did."""
        failures = {id(one.error): one for one in self._failures()}
        if failures:
            told = "; ".join(
                f"{one.what} on {one.event.type} {one.event.id}" for one in failures.values()
            )
            raise BaseExceptionGroup(
                f"failed of what {self._event.type} {self._event.id} led to: {told}",
                [one.error for one in failures.values()],
            )

    def _look(self) -> None:
        """Take in what was published since; a cause is always published before its effects."""
        self.ids.update(one.event.id for one in self._members)
        for one in islice(self._record.admitted, self._known, None):
            self._known += 1
            event = one.publication.event
            if one.id in self.ids or self._includes(event) or self._includes(one.cause):
                self._members.append(one.publication)
                self.ids.update((one.id, event.id))

    def _includes(self, event: Event | None) -> bool:
        return event is not None and (event.id in self.ids or event.causation_id in self.ids)

    def _live(self) -> list[Publication]:
        self._look()
        for one in self._members:
            if one.live and one.never_began():
                one.drop()
        return [one for one in self._members if one.live]

    def _follow_unbegun(self, live: list[Publication]) -> None:
        """A task that is cancelled before its first step does not tell what it was to publish."""
        waiting = {id(one.coroutine()): one.event for one in live if one.coroutine is not None}
        for task in asyncio.all_tasks() if waiting else ():
            event = waiting.get(id(task.get_coro()))
            if event is not None and task not in self._record.work:
                self._record.follow(task, event)

    def _work(self) -> list[Work]:
        return [one for one, why in tuple(self._record.work.items()) if self._includes(why.event)]

    def _failures(self) -> Iterator[Failure]:
        self._look()
        yield from (one for one in self._record.failures if self._includes(one.event))
        for task, event in self._record.broken:
            if self._includes(event) and is_unheard(task):
                error = task.exception()
                if error is not None:
                    yield Failure(event, _told_work(task), error)


def _told_work(work: Work) -> str:
    if not isinstance(work, asyncio.Task):
        return "a publish from a thread"
    coroutine = work.get_coro()
    name = getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__
    return f"the task {work.get_name()} ({name})"
